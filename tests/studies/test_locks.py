"""Many processes, one study: each run is done once, no row is lost, a dead owner is no obstacle."""

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.made_study import row_of
from transfer.errors import TransferError
from transfer.files import exclusively, remove_temporaries
from transfer.folding import fold, write_log, write_predictions, write_row
from transfer.results import LOG_COLUMNS, read_predictions, read_runs
from transfer.runs import Run
from transfer.studies.engines.local import _lock
from transfer.studies.setup import _refuse_foreign

FORK = multiprocessing.get_context("fork")
A_RUN = Run("baseB", seed=3)


def write_all(study, names):
    for name in names:
        write_log(study, name, [dict.fromkeys(LOG_COLUMNS, 1.0)])
        write_predictions(study, name, np.full((4, 2), 0.5))
        write_row(study, row_of(name))
        fold(study)


def together(*calls):
    """Run calls in processes of their own, at once."""
    processes = [FORK.Process(target=target, args=arguments) for target, *arguments in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seeds=st.lists(st.integers(0, 40), min_size=4, max_size=16, unique=True),
    writers=st.integers(2, 4),
)
def test_many_writers_lose_and_double_no_row(tmp_path_factory, seeds, writers):
    study = tmp_path_factory.mktemp("study")
    names = [Run("baseB", seed=seed).name for seed in seeds]
    together(*((write_all, study, names[start::writers]) for start in range(writers)))
    for table in ("runs.csv", "epochs.csv"):
        with open(study / table, newline="") as stream:
            assert sorted(line["run"] for line in csv.DictReader(stream)) == sorted(names)
    assert sorted(read_runs(study)["run"]) == sorted(names)
    assert [read_predictions(study, name).shape for name in names] == [(4, 2)] * len(names)
    assert not [path for path in (study / "working").rglob("*_s*.*") if path.is_file()]
    assert not list(study.rglob(".*.tmp"))


def hold(study, ready):
    with _lock(study, A_RUN) as mine:
        ready.send(mine)
        time.sleep(60)


def test_a_run_has_one_owner_and_a_dead_owners_lock_is_free(tmp_path):
    ours, theirs = FORK.Pipe()
    owner = FORK.Process(target=hold, args=(tmp_path, theirs), daemon=True)
    owner.start()
    assert ours.recv() is True
    with _lock(tmp_path, A_RUN) as mine:
        assert mine is False
    with _lock(tmp_path, Run("baseB", seed=4)) as mine:
        assert mine is True
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    with _lock(tmp_path, A_RUN) as mine:
        assert mine is True


def count_up(folder, times):
    for _ in range(times):
        with exclusively(folder / "lock"):
            path = folder / "number"
            path.write_text(str(int(path.read_text()) + 1))


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    (tmp_path / "number").write_text("0")
    together(*[(count_up, tmp_path, 50)] * 4)
    assert (tmp_path / "number").read_text() == "200"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    kept = [".a_s1.csv.x.tmp", "a_s0.csv", ".b_s0.csv.x.tmp", ".a_s0.csv"]
    for name in [".a_s0.csv.x.tmp", ".a_s0.json.y.tmp", *kept]:
        (tmp_path / name).write_text("")
    remove_temporaries(tmp_path, "a_s0")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_folder_where_a_study_was_killed_at_its_start_can_be_used(tmp_path):
    (tmp_path / "working").mkdir()
    (tmp_path / ".study.json.x1y2.tmp").write_text('{"data')
    _refuse_foreign(tmp_path)
    (tmp_path / "letter.txt").write_text("")
    with pytest.raises(TransferError, match="holds other files"):
        _refuse_foreign(tmp_path)


@pytest.mark.slow
def test_two_studies_at_once_in_one_folder_share_the_runs(tmp_path, small_data):
    out = tmp_path / "study"
    command = [
        *(
            sys.executable,
            "-m",
            "transfer",
            "study",
            "--kinds",
            "baseB,BnB",
            "--n",
            "4",
            "--seeds",
            "0",
        ),
        *("--protocol", "fast", "--epochs", "2", "--batch", "16", "--input", "32x32"),
        *("--workers", "1", "--data", str(small_data), "--out", str(out)),
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=500)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    runs = ["baseB_s0", "B4B_s0"]
    assert list(read_runs(out)["run"]) == runs
    for run in runs:  # trained by one of them, waited for by the other
        trained = [f"{run}: test" in text for text in errors]
        waited = [f"{run}: done by another process" in text for text in errors]
        assert sorted(trained) == [False, True], errors
        assert sum(waited) <= 1
    assert not list(out.rglob(".*.tmp"))
