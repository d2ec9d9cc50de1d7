"""A whole study with worker processes, on images a small network can learn."""

import os
import shutil
import signal
import time

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.weights import read_weights
from transfer.results import read_log, read_predictions, read_runs, read_test_labels
from transfer.studies.ask import ask
from transfer.studies.study import perform
from transfer.study_file import planned_runs
from transfer.tasks.checks.baselines import baselines, read_baselines
from transfer.tasks.dataset import load_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study():
    return ask(
        "quick",
        kinds="baseB,baseB+,BnB,AnB,AnB+,RnB,sliced",
        n="3",
        seeds="0",
        bn="inference,legacy",
        protocol="fast",
        epochs=2,
        batch=16,
    )


@pytest.fixture(scope="module")
def finished(study, small_data, tmp_path_factory, forker):
    out = tmp_path_factory.mktemp("study") / "all-kinds"
    kinds, bn = ",".join(study.kinds), ",".join(study.bn)
    command = ["study", "--kinds", kinds, "--n", "3", "--seeds", "0", "--bn", bn, "--epochs", "2"]
    command += ["--protocol", "fast", "--batch", "16", "--data", small_data, "--out", out]
    forker.start(command)
    assert forker.wait() == 0
    return out


def test_every_run_has_its_row_log_and_predictions(finished, study):
    runs = read_runs(finished)
    assert set(runs["run"]) == {run.name for run in study.runs()}
    labels = read_test_labels(finished)
    for row in runs.itertuples():
        log = read_log(finished, row.run)
        assert len(log) == row.epochs == 2
        assert log["val_accuracy"].max() == pytest.approx(row.val_accuracy, abs=1e-5)
        predicted = read_predictions(finished, row.run).argmax(1)
        assert (predicted == labels).mean() == pytest.approx(row.test_accuracy, abs=1e-5)
        assert row.test_low < row.test_accuracy < row.test_high or row.test_accuracy in (0, 1)
        last = log["val_accuracy"].iloc[-1]
        assert row.last_val_accuracy == pytest.approx(last, abs=1e-5)
        if row.best_epoch == row.epochs:
            assert row.last_test_accuracy == row.test_accuracy
            assert row.last_test_balanced_accuracy == row.test_balanced_accuracy
    assert set(runs["threads"]) == {1}
    assert set(runs["protocol"]) == {"fast-e2-b16"}
    assert set(runs["backbone"]) == {"mobilenet"}
    assert set(planned_runs(finished)) == set(study.runs())
    left = [path for path in (finished / "working").rglob("*") if path.is_file()]
    assert {path.suffix for path in left} == {".lock"}


def test_frozen_blocks_are_those_of_their_base(finished):
    whole = Architecture()
    frozen = read_weights(finished / "models/B3B_s0.weights.h5", whole)
    base = read_weights(finished / "models/baseB_s0.weights.h5", whole)
    for name, value in frozen.items():
        block = 0 if name.startswith("conv1") else int(name.split("/")[0].split("_")[2])
        assert (value == base[name]).all() == (block <= 3), name


def test_a_finished_study_has_its_baselines(finished, small_data):
    dataset = load_dataset(small_data)
    expected = [one.balanced_accuracy for one in baselines(dataset)]
    np.testing.assert_allclose(read_baselines(finished)["balanced_accuracy"], expected, atol=1e-6)


def test_a_finished_study_is_not_run_again(finished, study, small_data):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.json")}
    perform(finished, study, small_data)
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*.json")}
    assert {path for path in before if before[path] != after[path]} == {finished / "study.json"}


def test_what_a_kill_left_of_the_labels_is_removed(finished, study, small_data):
    left = finished / "working" / "predictions" / ".labels.npz.x1y2.tmp"
    left.write_bytes(b"PK")
    perform(finished, study, small_data)
    assert not left.exists()


def test_a_study_of_other_data_is_refused(finished, study, tmp_path, small_data):
    other = tmp_path / "other"
    other.mkdir()
    for path in small_data.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    content = bytearray((other / "train_data.npy").read_bytes())
    content[-1] ^= 1
    (other / "train_data.npy").write_bytes(content)
    with pytest.raises(TransferError, match=r"the data set stripes \(\w{8}\.\.\.\), not stripes "):
        perform(finished, study, other)


def test_another_protocol_is_refused(finished, small_data):
    with pytest.raises(TransferError, match="was made with the protocol"):
        perform(finished, ask("quick", protocol="reference"), small_data)


def test_an_interrupted_study_stops_soon_with_130(tmp_path, small_data, forker):
    # SIGTERM ends as Ctrl-C does; a shell in the background makes its children ignore SIGINT.
    out, said = tmp_path / "interrupted", tmp_path / "said"
    command = ["study", "--kinds", "baseB", "--epochs", "500", "--protocol", "fast"]
    command += ["--batch", "16", "--data", small_data, "--out", out]
    process = forker.start(command, errors=said)
    deadline = time.monotonic() + 120
    while not (out / "working/logs/baseB_s0.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process, signal.SIGTERM)
    assert forker.wait() == 130
    errors = said.read_text()
    assert errors.strip().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in errors


def test_what_a_check_finds_at_once_is_a_warning_of_the_study(small_data, tmp_path, capsys):
    """A recording in two splits, as `data check` says it; the study goes on."""
    data = shutil.copytree(small_data, tmp_path / "data")
    np.save(data / "test_recordings.npy", np.zeros(48, np.int64))
    np.save(data / "train_recordings.npy", np.zeros(96, np.int64))
    perform(tmp_path / "study", ask("quick", kinds="baseB", seeds="0", epochs=1, batch=16), data)
    warnings = capsys.readouterr().err
    assert "warning: Expected every recording in one split only. Received: 1 in both" in warnings
