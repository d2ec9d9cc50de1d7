"""What a study says of the runs that it does not do itself, and of processes that are gone."""

import os
import signal

import pytest

from tests.made_study import row_of
from tests.study_files import SETTINGS
from transfer.errors import TransferError
from transfer.folding import write_row
from transfer.runs import parse_run
from transfer.studies.engines import dispatch
from transfer.studies.engines.dispatch import do_all
from transfer.studies.engines.local import processes
from transfer.study_file import Context

RUN = parse_run("baseB_s0")


class Elsewhere:
    """A pool whose only run is held by another process, for so many looks."""

    busy = False

    def __init__(self, study_dir, looks):
        self.study_dir, self.left, self.begun = study_dir, looks, []

    def begin(self, pending, costs):
        self.begun, pending[:] = list(pending), []

    def events(self):
        for run in self.begun:
            self.left -= 1
            if not self.left:
                write_row(self.study_dir, row_of(run.name))
            yield run, "busy", None
        self.begun = []


def test_a_study_that_waits_for_a_run_of_another_process_says_so_once(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.0)
    context = Context(tmp_path, tmp_path, None, SETTINGS)
    assert do_all([RUN], Elsewhere(tmp_path, 3), context, 1) == {}
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("; ")[0] for line in lines] == [
        "[0/1] baseB_s0: another process is doing it, waiting",
        "[1/1] baseB_s0: done by another process",
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "-9 often means that memory ran out"), (signal.SIGBUS, "became shorter")],
)
def test_a_worker_that_is_gone_is_one_sentence(tmp_path, number, words):
    context = Context(tmp_path, tmp_path, None, SETTINGS)
    with processes(context, 1, 1) as pool:
        (worker,) = pool.workers
        worker.run = RUN
        os.kill(worker.process.pid, number)
        with pytest.raises(TransferError, match=f"The process of baseB_s0 ended.*{words}"):
            worker.hear()
