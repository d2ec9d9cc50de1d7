"""A study killed at any instant, and started again, ends as one that was left alone.

Byte for byte: tables and logs without their times, weights, predictions. The first kill comes in
the middle of a run. Half of the others come at a random time, half in the middle of whatever is
being written. ``pytest -m soak`` kills 100 times.

Every attempt is the `study` command, forked, so that the kills fall into the study and not into the
seconds of an import.
"""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.study_files import results

SETTINGS = ("--kinds", "baseB,BnB", "--n", "4", "--protocol", "fast", "--epochs", "4")
WORKING = ("checkpoints", "features", "logs", "predictions", "rows")
FOLDERS = ("models", *(f"working/{name}" for name in WORKING))


class Attempt:
    """One `study` command, forked; its output goes to a file."""

    def __init__(self, forker, out, data):
        arguments = [
            *("study", *SETTINGS, "--batch", "16", "--input", "32x32", "--workers", "2"),
            *("--data", str(data), "--out", str(out)),
        ]
        self.pid = forker.start(arguments)
        self.ended = forker.wait

    def running(self):
        """Whether the command is still there (a zombie is not)."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def wait(self):
        """The exit code, negative for a signal; workers that outlive the command are killed."""
        code = self.ended()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return code


@pytest.fixture(scope="module")
def undisturbed(forker, small_data, tmp_path_factory):
    """Folder of a study that was left alone, and how many seconds it took."""
    out = tmp_path_factory.mktemp("undisturbed") / "study"
    began = time.monotonic()
    assert Attempt(forker, out, small_data).wait() == 0
    return out, time.monotonic() - began


def being_written(study: Path) -> set[str]:
    """The temporary files of what is being written right now."""
    found = set()
    for folder in (study, *(study / name for name in FOLDERS)):
        with contextlib.suppress(FileNotFoundError):
            found |= {entry.path for entry in os.scandir(folder) if entry.name.endswith(".tmp")}
    return found


def start_and_kill(forker, study, data, rng, seconds):
    """One attempt: True if it was killed, False if the study was finished before.

    ``seconds``: in how many at most; None: as soon as there is a checkpoint to go on from.
    """
    attempt = Attempt(forker, study, data)
    if seconds is None:
        while not any((study / "working/checkpoints").glob("*.checkpoint")):
            assert attempt.running()
            time.sleep(0.002)
        os.killpg(attempt.pid, signal.SIGKILL)
        assert attempt.wait() == -signal.SIGKILL
        assert not any((study / "working/rows").glob("*.json"))
        return True
    deadline = time.monotonic() + rng.uniform(0, seconds)
    while attempt.running() and time.monotonic() < deadline:
        time.sleep(0.002)
    if rng.random() < 0.5:  # not before something is being written, then a moment later
        before = being_written(study)
        while attempt.running() and not being_written(study) - before:
            time.sleep(0.001)
        time.sleep(rng.choice((0, 0.0005, 0.002)))
    if rng.random() < 0.5:  # the workers live on, until they notice that their parent is gone
        with contextlib.suppress(ProcessLookupError):
            os.kill(attempt.pid, signal.SIGKILL)
        time.sleep(rng.uniform(0, 0.5))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(attempt.pid, signal.SIGKILL)
    code = attempt.wait()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def soak(kills, forker, undisturbed, data, folder, seed):
    """Kill studies until there were ``kills``; returns how many studies that took."""
    whole, seconds = undisturbed
    expected = results(whole)
    assert "models/B4B_s0.weights.h5" in expected
    rng = random.Random(seed)
    studies = killed = 0
    while killed < kills:
        study = folder / f"study-{studies}"
        studies += 1
        began, before = time.monotonic(), killed
        while killed < kills and start_and_kill(
            forker, study, data, rng, seconds if killed else None
        ):
            killed += 1
        if killed == before:  # a whole study, unkilled: the machine is less busy than it was
            seconds = time.monotonic() - began
        assert Attempt(forker, study, data).wait() == 0
        found = results(study)
        assert set(found) == set(expected)
        assert [name for name in expected if found[name] != expected[name]] == []
        assert not being_written(study)
        assert list((study / "working/checkpoints").iterdir()) == []
        print(f"{killed} kills, {studies} studies, 0 bytes that differ", flush=True)
    return studies


@pytest.mark.slow
def test_a_study_killed_at_random_instants_ends_as_if_it_had_not_been(
    forker, undisturbed, small_data, tmp_path
):
    soak(4, forker, undisturbed, small_data, tmp_path, seed=0)


@pytest.mark.soak
def test_a_hundred_kills_change_no_byte(forker, undisturbed, small_data, tmp_path):
    soak(100, forker, undisturbed, small_data, tmp_path, seed=1)
