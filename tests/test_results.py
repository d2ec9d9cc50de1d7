"""The files of a study: written whole, read back, refused in one sentence when not ours."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transfer import results
from transfer.errors import TransferError
from transfer.results import (
    RUN_COLUMNS,
    read_log,
    read_predictions,
    read_runs,
    read_test_labels,
    write_array,
    write_log,
    write_row,
)

STUDY = Path(__file__).parents[1] / "experiments-results/donkey-imagenet"


def row(run="A3B_s0", kind="AnB", n=3):
    values = {"string": "x", "Int64": 1, "int64": 1, "float64": 0.5}
    filled = {column: values[dtype] for column, dtype in RUN_COLUMNS.items()}
    return {**filled, "run": run, "kind": kind, "n": n, "bn": "inference", "fraction": 1.0}


def test_rows_are_read_back_in_the_order_of_the_protocol(tmp_path):
    write_row(tmp_path, row("A7B_s0", "AnB", 7))
    write_row(tmp_path, row())
    write_row(tmp_path, row("baseB_s0", "baseB", None) | {"bn": ""})
    runs = read_runs(tmp_path)
    assert runs["run"].tolist() == ["baseB_s0", "A3B_s0", "A7B_s0"]
    assert runs["n"].isna().tolist() == [True, False, False]
    assert list(runs.columns)[:20] == list(RUN_COLUMNS)[:20]


def test_a_table_of_an_older_version_lacks_columns_that_are_then_missing(tmp_path):
    write_row(tmp_path, row())
    table = pd.read_csv(tmp_path / "runs.csv")
    later = ["last_val_accuracy", "last_test_accuracy", "last_test_balanced_accuracy"]
    later += ["threads", "tensorflow", "machine", "backbone"]
    assert list(table.columns)[-len(later) :] == later
    table.drop(columns=later).to_csv(tmp_path / "runs.csv", index=False)
    read = read_runs(tmp_path)
    assert list(read.columns) == list(RUN_COLUMNS)
    assert read[later].replace("", pd.NA).isna().all(axis=None)
    table.drop(columns="seconds").to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(TransferError, match="column seconds"):
        read_runs(tmp_path)


def test_the_committed_accuracies_are_those_of_the_committed_predictions():
    labels = read_test_labels(STUDY)
    for entry in read_runs(STUDY).itertuples():
        predicted = read_predictions(STUDY, entry.run).argmax(1)
        assert np.mean(predicted == labels) == pytest.approx(entry.test_accuracy, abs=1e-6)


def test_the_committed_table_is_derived_from_its_rows():
    for entry in read_runs(STUDY).itertuples():
        content = json.loads((STUDY / "rows" / f"{entry.run}.json").read_text())
        assert content["test_accuracy"] == pytest.approx(entry.test_accuracy, abs=1e-6)


def test_a_log_is_read_back(tmp_path):
    columns = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    write_log(tmp_path, "baseB_s0", [dict.fromkeys(columns, 1.0)])
    assert read_log(tmp_path, "baseB_s0")["epoch"].tolist() == [1]


@pytest.mark.parametrize("content", ["", "run,kind\na,b\n", "\x00\x01", "run\n" * 3])
def test_a_table_that_is_not_ours_is_said(tmp_path, content):
    (tmp_path / "runs.csv").write_text(content)
    with pytest.raises(TransferError, match=r"runs\.csv"):
        read_runs(tmp_path)


def test_pickled_predictions_are_refused(tmp_path):
    path = tmp_path / "predictions/labels.npz"
    path.parent.mkdir()
    np.savez(path, array=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TransferError, match="cannot be read"):
        read_test_labels(tmp_path)


def test_a_truncated_array_is_refused(tmp_path):
    path = tmp_path / "predictions/labels.npz"
    write_array(path, np.arange(1000))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(TransferError, match="cannot be read"):
        read_test_labels(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.npy", b"")
    with pytest.raises(TransferError, match="cannot be read"):
        read_test_labels(tmp_path)


def test_the_table_of_a_large_study_waits_a_minute_and_then_has_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "_LARGE_STUDY", 2)
    names = [f"A3B_s{seed}" for seed in range(4)]
    for name in names:
        write_row(tmp_path, row(name))
    assert read_runs(tmp_path)["run"].tolist() == names[:2]
    os.utime(tmp_path / "runs.csv", (0, 0))
    write_row(tmp_path, row("A3B_s4"))
    assert read_runs(tmp_path)["run"].tolist() == [*names, "A3B_s4"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_than_numpys_are_refused(tmp_path, compression):
    path = tmp_path / "predictions/baseB_s0.npz"
    path.parent.mkdir()
    content = io.BytesIO()
    np.save(content, np.full((3, 3), 1 / 3, np.float32))
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("array.npy", content.getvalue())
    with pytest.raises(TransferError, match="compression"):
        read_predictions(tmp_path, "baseB_s0")
