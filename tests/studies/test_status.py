"""Status: what rows, logs and locks of a study say, without asking its processes."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from tests.reported_study import make_data, make_study, write_run
from tests.study_files import call_for
from transfer.cli import main
from transfer.files import exclusively
from transfer.folding import write_log
from transfer.results import working
from transfer.runs import Run
from transfer.studies.watch.status import Unfinished, print_status, status
from transfer.study_file import read_settings, write_study_file
from transfer.tasks.dataset import load_dataset

RUNS = [Run("baseB"), *(Run("AnB", n, 0, "inference") for n in (1, 4, 7))]


@pytest.fixture
def study(tmp_path):
    """Four runs are planned; baseB is done, A1B stands at epoch 2 of 3, the others are to do."""
    out = make_study(tmp_path / "study", make_data(tmp_path / "data"), RUNS[:1])
    write_study_file(out, read_settings(out), [call_for(RUNS)])
    epochs = [
        {"epoch": e, "loss": 1, "accuracy": 0.5, "val_loss": 1, "val_accuracy": 0.25 * e}
        | {"learning_rate": 0.1, "seconds": 2.0}
        for e in (1, 2)
    ]
    write_log(out, "A1B_s0", epochs)
    return out


def age(study, run, seconds):
    path = working(study, "logs", f"{run}.csv")
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


class Held:
    """Another process that holds the lock of a run."""

    def __init__(self, study, run):
        script = (
            "import sys\nfrom transfer.files import exclusively\n"
            f"with exclusively({str(working(study, 'locks', run + '.lock'))!r}):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()"
        )
        self.command = [sys.executable, "-c", script]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "held\n"

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()


def text_of(found):
    console = Console(file=io.StringIO(), width=200)
    print_status(found, console)
    return console.file.getvalue()


def test_a_run_whose_lock_is_held_is_running(study):
    age(study, "A1B_s0", 3600)
    with Held(study, "A1B_s0"):
        found = status(study)
    assert found.planned == 4
    assert found.done == ("baseB_s0",)
    (running,) = found.running
    assert (running.run, running.epoch, running.val_accuracy, running.locked) == (
        "A1B_s0", 2, 0.5, True
    )  # fmt: skip
    assert running.seconds_ago == pytest.approx(3600, abs=60)
    assert found.stopped == ()
    assert found.to_do == ("A4B_s0", "A7B_s0")


def test_a_run_that_nobody_holds_and_that_is_old_has_stopped(study):
    age(study, "A1B_s0", 3600)
    found = status(study)
    assert found.running == ()
    assert [run.run for run in found.stopped] == ["A1B_s0"]
    assert found.seconds_left is None
    assert "Nobody is working on it" in text_of(found)
    assert "stopped" in text_of(found)


def test_a_fresh_log_means_a_machine_whose_locks_are_not_seen(study):
    found = status(study)
    (running,) = found.running
    assert not running.locked


def test_a_lock_alone_is_a_run_in_its_first_epoch(study):
    with Held(study, "A4B_s0"):
        found = status(study)
    assert Unfinished("A4B_s0", 0, None, None, True) in found.running
    assert "in its first epoch" in text_of(found)


def test_looking_takes_no_lock(study):
    with Held(study, "A1B_s0"):
        status(study)
    status(study)
    with exclusively(working(study, "locks", "A1B_s0.lock"), wait=False) as held:
        assert held


def test_looking_changes_nothing(study):
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    status(study)
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_the_time_left_is_that_of_equal_runs(study):
    """AnB runs took 6 s each: two thirds of one are left and one whole, in one process."""
    labels = load_dataset(study.parent / "data").test.labels
    write_run(study, RUNS[2], labels, 3)  # A4B is done
    path = working(study, "rows", "A4B_s0.json")
    row = json.loads(path.read_text())
    with Held(study, "A1B_s0"):
        found = status(study)
    # A frozen run of fewer blocks costs more: backward through 12 blocks, 9 blocks, 6 blocks.
    assert found.to_do == ("A7B_s0",)
    low, high = row["seconds"] * 2 / 3, row["seconds"] * (1.7 * 2 / 3 + 1)
    assert low < found.seconds_left < high
    row["seconds"] *= 10
    path.write_text(json.dumps(row))
    with Held(study, "A1B_s0"):
        assert status(study).seconds_left == pytest.approx(10 * found.seconds_left)
    with Held(study, "A1B_s0"), Held(study, "A7B_s0"):
        assert status(study).seconds_left == pytest.approx(5 * found.seconds_left)


def test_no_time_is_made_up(study):
    (study / "runs.csv").unlink()
    working(study, "logs", "A1B_s0.csv").unlink()
    with Held(study, "A1B_s0"):
        found = status(study)
    assert found.seconds_left is None
    assert "not known" in text_of(found)


def test_a_finished_study_is_complete(tmp_path):
    out = make_study(tmp_path / "study", make_data(tmp_path / "data"), RUNS)
    found = status(out)
    assert len(found.done) == found.planned == 4
    assert "Complete." in text_of(found)


def test_plain_text_without_tensorflow_when_not_on_a_terminal(study):
    script = (
        "import sys; from transfer.cli import main\n"
        f"main(['status', {str(study)!r}])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "1 of 4 runs done" in done.stdout
    assert "A1B_s0" in done.stdout


@pytest.mark.parametrize("cut", ["calls", "protocol", "input", "alpha"])
@pytest.mark.parametrize("value", [None, [], "x", {"kinds": ["baseB"]}])
def test_a_damaged_study_ends_with_one_sentence(study, capsys, cut, value):
    content = json.loads((study / "study.json").read_text())
    content[cut] = value
    (study / "study.json").write_text(json.dumps(content))
    with pytest.raises(SystemExit) as stopped:
        main(["status", str(study)])
    assert stopped.value.code in (1, 2)
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
