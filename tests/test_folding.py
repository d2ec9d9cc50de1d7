"""Files of single runs become tables: nothing lost, nothing doubled, whenever a crash comes."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reported_study import every_run
from tests.study_files import committed
from transfer import files
from transfer.errors import TransferError
from transfer.folding import fold, write_log, write_predictions, write_row, write_test_labels
from transfer.results import (
    LOG_COLUMNS,
    RUN_COLUMNS,
    finished,
    read_epochs,
    read_log,
    read_predictions,
    read_runs,
    read_test_clusters,
    read_test_labels,
    working,
)
from transfer.runs import Run
from transfer.tables import place

STUDIES = committed("predictions.npz")
LABELS = np.arange(60) % 3
CLUSTERS = np.arange(60) // 7
RUNS = every_run(n=(1, 12), seeds=(0, 10))


def finish(study, run, shift=0.0):
    """Leave what a run leaves; returns it: its row, its epochs, its probabilities."""
    rng = np.random.default_rng([*run.name.encode(), int(1e6 * shift)])
    epochs = [dict.fromkeys(LOG_COLUMNS, 1 / 3 + shift) | {"epoch": e} for e in range(1, 4)]
    probabilities = rng.dirichlet((1, 1, 1), len(LABELS)).astype(np.float32).round(4)
    numbers = {"string": "", "int64": 10**9 + 1, "Int64": None, "float64": 2 / 3}
    row = {column: numbers[kind] for column, kind in RUN_COLUMNS.items()}
    row |= {"run": run.name, "kind": run.kind, "n": run.n, "seed": run.seed, "bn": run.bn}
    row |= {"fraction": run.fraction, "val_accuracy": 0.1 + shift}
    write_log(study, run.name, epochs)
    write_predictions(study, run.name, probabilities)
    write_row(study, row)
    return row, epochs, probabilities


@pytest.fixture
def study(tmp_path):
    """A study whose runs are finished and not folded, and what they left."""
    write_test_labels(tmp_path, LABELS, CLUSTERS)
    return tmp_path, {run.name: finish(tmp_path, run) for run in RUNS}


def six_digits(value):
    return float(f"{value:.5e}")


def check(folder, left):
    """Every row, log and array that runs left is read back, and no other."""
    runs = read_runs(folder)
    assert runs["run"].tolist() == sorted(left, key=place)
    epochs = read_epochs(folder)
    assert epochs.groupby("run").size().to_dict() == dict.fromkeys(left, 3)
    assert epochs.dtypes[["epoch", "loss"]].tolist() == [np.int64, np.float64]
    for row in runs.to_dict("records"):
        expected, epochs, probabilities = left[row["run"]]
        for column in RUN_COLUMNS:
            value = None if pd.isna(row[column]) else row[column]
            exact = isinstance(expected[column], float)
            assert value == (six_digits(expected[column]) if exact else expected[column]), column
        log = read_log(folder, row["run"])
        assert log.to_dict("records") == [
            {column: six_digits(epoch[column]) for column in LOG_COLUMNS} for epoch in epochs
        ]
        found = read_predictions(folder, row["run"])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, probabilities)
    np.testing.assert_array_equal(read_test_labels(folder), LABELS)
    np.testing.assert_array_equal(read_test_clusters(folder), CLUSTERS)


def content(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_what_is_read_is_the_same_before_and_after_folding(study):
    folder, left = study
    check(folder, left)
    fold(folder)
    check(folder, left)
    assert set(content(folder)) == {
        "runs.csv",
        "epochs.csv",
        "predictions.npz",
        "all_experiments.csv",
    }


def test_a_run_that_goes_on_keeps_its_files_and_is_seen(study):
    folder, left = study
    write_log(folder, "baseB_s7", left["baseB_s0"][1][:2])
    write_predictions(folder, "baseB_s7", left["baseB_s0"][2])
    fold(folder)
    assert working(folder, "logs", "baseB_s7.csv").exists()
    assert working(folder, "predictions", "baseB_s7.npz").exists()
    assert len(read_log(folder, "baseB_s7")) == 2
    assert "baseB_s7" in set(read_epochs(folder)["run"])
    assert "baseB_s7" not in set(read_runs(folder)["run"])


def test_folding_again_changes_no_byte(study):
    folder, _ = study
    fold(folder)
    before = content(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    fold(folder)
    assert content(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_the_order_in_which_runs_are_folded_changes_no_byte(study, tmp_path_factory):
    folder, _ = study
    fold(folder)
    other = tmp_path_factory.mktemp("other")
    write_test_labels(other, LABELS, CLUSTERS)
    for run in RUNS[::-1]:
        finish(other, run)
        fold(other)
    assert content(other) == content(folder)


class Crash(BaseException):
    """Like a kill: nothing may catch it."""


def crash_at(monkeypatch, step):
    """Stop the process, as it were, before the ``step``-th change of a name on the disk."""
    calls = iter(range(10**6))
    replace, unlink = Path.replace, Path.unlink

    def watched_replace(path, target):
        if next(calls) == step:
            raise Crash
        return replace(path, target)

    def watched_unlink(path, missing_ok=False):
        if path.suffix != ".tmp" and next(calls) == step:
            raise Crash
        return unlink(path, missing_ok)

    monkeypatch.setattr(Path, "replace", watched_replace)
    monkeypatch.setattr(Path, "unlink", watched_unlink)


def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    study, tmp_path_factory, monkeypatch
):
    folder, left = study
    fold(folder)
    expected = content(folder)
    before = tmp_path_factory.mktemp("before")
    write_test_labels(before, LABELS)
    some = RUNS[:: len(RUNS) // 4]
    for run in set(RUNS) - set(some):
        finish(before, run)
    fold(before)  # some are in the tables already
    for run in some:
        finish(before, run)
    write_test_labels(before, LABELS, CLUSTERS)
    for step in range(10**6):
        again = shutil.copytree(before, tmp_path_factory.mktemp("again") / "study")
        with monkeypatch.context() as patch:
            crash_at(patch, step)
            try:
                fold(again)
                break  # there is no such step
            except Crash:
                pass
        check(again, left)
        fold(again)
        assert content(again) == expected, step
    assert step == 4 + 1 + 3 * len(some)  # tables, labels, files of runs


def test_a_line_deleted_from_the_table_is_a_run_to_be_trained_again(study):
    folder, left = study
    fold(folder)
    run = RUNS[3]
    assert finished(folder, run)
    lines = (folder / "runs.csv").read_text().splitlines(keepends=True)
    (folder / "runs.csv").write_text("".join(x for x in lines if not x.startswith(run.name + ",")))
    assert not finished(folder, run)
    assert run.name not in set(read_runs(folder)["run"])
    left[run.name] = finish(folder, run, shift=0.25)
    assert finished(folder, run)
    check(folder, left)
    fold(folder)
    check(folder, left)


def test_epochs_and_predictions_of_a_deleted_line_go_with_the_next_folding(study):
    folder, left = study
    fold(folder)
    run = RUNS[3].name
    lines = (folder / "runs.csv").read_text().splitlines(keepends=True)
    (folder / "runs.csv").write_text("".join(x for x in lines if not x.startswith(run + ",")))
    del left[run]
    left["baseB_s9"] = finish(folder, Run("baseB", seed=9))
    fold(folder)
    check(folder, left)
    with pytest.raises(TransferError):
        read_predictions(folder, run)


def test_a_lost_table_of_runs_takes_no_epochs_or_predictions_with_it(study):
    folder, left = study
    fold(folder)
    table = (folder / "runs.csv").read_bytes()
    (folder / "runs.csv").unlink()
    left["baseB_s9"] = finish(folder, Run("baseB", seed=9))
    fold(folder)
    line = (folder / "runs.csv").read_bytes().splitlines(keepends=True)[1]
    (folder / "runs.csv").write_bytes(table + line)
    check(folder, left)


@pytest.mark.parametrize("kind", ["logs", "predictions"])
def test_a_row_without_its_log_or_predictions_is_said(study, kind):
    folder, _ = study
    (path,) = working(folder, kind).glob("baseB_s0.*")
    path.unlink()
    with pytest.raises(TransferError, match="log and the predictions of baseB_s0"):
        fold(folder)
    assert not (folder / "runs.csv").exists()


def test_the_table_is_parsed_once_however_many_runs_are_asked_for(study, monkeypatch):
    folder, _ = study
    fold(folder)
    opened = []
    monkeypatch.setattr(
        "transfer.tables.read_bytes",
        lambda path, limit: opened.append(path) or files.read_bytes(path, limit),
    )
    assert sum(finished(folder, Run("baseB", seed=seed)) for seed in range(10_000)) == 2
    assert len(opened) == 1


def test_an_unreadable_disk_is_one_sentence(study, monkeypatch):
    folder, left = study
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(TransferError, match="full"):
        fold(folder)
    monkeypatch.undo()
    check(folder, left)


def test_known_labels_are_not_written_again(study):
    folder, _ = study
    fold(folder)
    write_test_labels(folder, LABELS, CLUSTERS)
    write_test_labels(folder, LABELS)
    assert not working(folder, "predictions", "labels.npz").exists()
    write_test_labels(folder, LABELS, CLUSTERS[::-1])
    fold(folder)
    np.testing.assert_array_equal(read_test_clusters(folder), CLUSTERS[::-1])
    assert not working(folder, "predictions", "labels.npz").exists()


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_committed_study_is_consistent(study):
    """Each row has its epochs and predictions, and its numbers are those that follow from them."""
    from sklearn.metrics import balanced_accuracy_score

    runs, epochs, labels = read_runs(study), read_epochs(study), read_test_labels(study)
    assert len(STUDIES) >= 7
    assert not os.path.exists(working(study))
    assert runs["run"].is_unique
    assert set(epochs["run"]) == set(runs["run"])
    for row in runs.itertuples():
        log = epochs[epochs["run"] == row.run]
        assert log["epoch"].tolist() == list(range(1, row.epochs + 1))
        best = log.iloc[row.best_epoch - 1]["val_accuracy"]
        assert best == log["val_accuracy"].max() == pytest.approx(row.val_accuracy, abs=1e-6)
        predicted = read_predictions(study, row.run).argmax(1)
        assert np.mean(predicted == labels) == pytest.approx(row.test_accuracy, abs=1e-6)
        balanced = balanced_accuracy_score(labels, predicted)
        assert balanced == pytest.approx(row.test_balanced_accuracy, abs=1e-6)
