"""A full disk, a read-only folder, Ctrl-C: one sentence, an exit code, and what is done stays done.

The full disk is a small file system in a user namespace of its own (skipped where the system allows
none), and a limit on the size of a file everywhere.
"""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.made_study import row_of
from tests.study_files import SETTINGS
from transfer.errors import TransferError
from transfer.files import exclusively, open_atomically, write_atomically
from transfer.folding import write_row
from transfer.results import read_failures, read_runs, working
from transfer.runs import parse_run
from transfer.studies.ask import ask
from transfer.studies.engines.local import attempt
from transfer.studies.setup import prepare
from transfer.studies.study import perform
from transfer.studies.watch.status import status
from transfer.study_file import Context
from transfer.training.checkpoint import read_checkpoint, write_checkpoint

ROOT = Path(__file__).parents[2]
IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
SMALL_DISK = "mount -t tmpfs -o size=600k small {folder} && exec {command}"


def namespaces_allowed():
    try:
        tried = subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def study(out, data, *more):
    return [
        *(sys.executable, "-m", "transfer", "study", "--kinds", "baseB", "--protocol", "fast"),
        *("--batch", "16", "--input", "32x32", "--workers", "1"),
        *("--data", str(data), "--out", str(out), *more),
    ]


def last_line(errors):
    assert "Traceback" not in errors, errors
    return errors.strip().splitlines()[-1]


def with_a_limit_of(size, function):
    """What ``function`` raises where no file may become larger than ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(TransferError) as raised:
            function()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return str(raised.value)


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path):
    path = tmp_path / "runs.csv"
    write_atomically(path, "old")
    message = with_a_limit_of(100, lambda: write_atomically(path, b"x" * 1000))
    assert message == f"Cannot write {path}: File too large."
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_without_space_is_one_sentence(tmp_path):
    def write():
        with open_atomically(tmp_path / "a") as stream:
            stream.write(b"x")
            with open("/dev/full", "wb") as full:
                full.write(b"x")

    with pytest.raises(TransferError, match=r"^Cannot write .*a: No space left on device\.$"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path):
    path = tmp_path / "a.checkpoint"
    write_checkpoint(path, {"a": np.zeros(4)}, {"epoch": 1})
    larger = {"a": np.zeros(40_000)}
    for _ in range(2):  # tried again, it still does not fit, and still costs nothing
        message = with_a_limit_of(10_000, lambda: write_checkpoint(path, larger, {"epoch": 2}))
        assert message == f"Cannot write {path}: File too large."
        assert read_checkpoint(path)[1] == {"epoch": 1}


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(TransferError, match="Cannot write .*: File exists"),
        exclusively(tmp_path / "file" / "lock"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(not namespaces_allowed(), reason="needs user namespaces")
def test_a_study_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path, small_data):
    small = tmp_path / "small"
    small.mkdir()
    inside = SMALL_DISK.format(folder=small, command='"$@"')
    ended = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-c", inside, "sh", *study(small / "out", small_data)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stderr
    assert last_line(ended.stderr).startswith("error: Cannot write ")
    assert last_line(ended.stderr).endswith("No space left on device.")


@pytest.mark.slow
@pytest.mark.skipif(not namespaces_allowed(), reason="needs user namespaces")
def test_a_study_in_a_read_only_folder_is_refused_before_training(tmp_path, small_data):
    there = tmp_path / "there"
    there.mkdir()
    inside = f'mount --bind "{there}" "{there}" && mount -o remount,ro,bind "{there}" && exec "$@"'
    ended = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-c", inside, "sh", *study(there / "out", small_data)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stderr
    assert last_line(ended.stderr).startswith("error: Cannot write ")
    assert last_line(ended.stderr).endswith("Read-only file system.")


@pytest.mark.slow
@pytest.mark.parametrize("until", ["working/locks", "working/logs/baseB_s0.csv"])
def test_ctrl_c_stops_within_two_seconds_and_says_how_to_go_on(tmp_path, small_data, until):
    # As a terminal does: the signal reaches the command and its workers. Until the locks are there,
    # the command is checking its inputs; soon after, the workers are starting.
    out = tmp_path / "study"
    process = subprocess.Popen(
        study(out, small_data, "--epochs", "500"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        process_group=0,
        # A shell in the background makes its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 300
    while not (out / until).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert time.monotonic() - pressed < 2
    assert process.returncode == 130
    assert last_line(errors) == (
        "error: interrupted; what is finished is kept, and the same command goes on from here"
    )


def test_a_failed_run_is_recorded_until_it_is_tried_again(tmp_path):
    run, context = parse_run("A3B_s0"), Context(tmp_path, tmp_path, None, SETTINGS)

    def diverge(*_):
        raise TransferError("The loss is no longer finite.")

    assert attempt(run, context, diverge) == ("failed", "The loss is no longer finite.")
    assert read_failures(tmp_path) == {"A3B_s0": "The loss is no longer finite."}

    def full(*_):
        raise TransferError("Cannot write.") from OSError(errno.ENOSPC, "No space left")

    assert attempt(run, context, full) == ("error", "Cannot write.")
    assert read_failures(tmp_path) == {}  # it was tried again
    assert attempt(run, context, lambda *_: {"run": "A3B_s0"})[0] == "done"
    assert read_failures(tmp_path) == {}


def test_a_run_that_is_finished_when_its_lock_is_had_is_not_repeated(tmp_path):
    """Another process may finish it between the look and the lock."""
    run, context = parse_run("A3B_s0"), Context(tmp_path, tmp_path, None, SETTINGS)
    write_row(tmp_path, row_of(run.name))

    def train(*_):
        raise AssertionError("trained again")

    assert attempt(run, context, train) == ("busy", None)


@pytest.mark.slow
def test_a_study_goes_on_without_a_run_that_fails_and_tries_it_again(tmp_path, small_data):
    out = tmp_path / "study"
    strange = working(out, "checkpoints", "baseB_s0.checkpoint")
    asked = ask(
        "quick", kinds="baseB,BnB,AnB", n="10", seeds="0", epochs=1, batch=16, input="32x32"
    )
    prepare(out, asked, small_data)
    write_checkpoint(strange, {"a": np.zeros(3)}, {"epochs": []})  # of no such network
    with pytest.raises(
        TransferError, match=r"^2 of 3 runs failed or were left out\. baseB_s0: "
    ) as e:
        perform(out, asked, small_data, workers=1)
    assert "B10B_s0: left out, as it copies from baseB_s0" in str(e.value)
    assert list(read_runs(out)["run"]) == ["A10B_s0"]
    seen = status(out)
    assert list(seen.failed) == ["baseB_s0"]
    assert (seen.done, seen.to_do) == (("A10B_s0",), ("B10B_s0",))
    strange.unlink()
    perform(out, asked, small_data, workers=1)
    assert list(read_runs(out)["run"]) == ["baseB_s0", "B10B_s0", "A10B_s0"]
    assert status(out).failed == {}
