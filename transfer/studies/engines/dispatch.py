"""What every engine does with the runs of a study: order them, give them out, hear how they end."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, multiply_adds
from transfer.results import finished
from transfer.runs import FROZEN_KINDS, Run
from transfer.studies.context import Context
from transfer.studies.display import Display
from transfer.study_file import Settings

SECONDS_BETWEEN_LOOKS = 1.0  #: at logs, and at runs that another process is doing

Costs = Mapping[str, float]  #: of runs by their name, relative to each other
Failures = dict[str, str]  #: why a run failed or was left out, by its name


class Pool(Protocol):
    """Where runs are done: processes of this machine, or a cluster."""

    @property
    def busy(self) -> bool:
        """Whether a run is being done."""

    def begin(self, pending: list[Run], costs: Costs) -> None:
        """Begin runs whose dependencies are finished, and take them off the list."""

    def events(self) -> Iterable[tuple[Run, str, Any]]:
        """What has happened, after `SECONDS_BETWEEN_LOOKS` at most.

        A run and the outcome of `transfer.studies.engines.local.attempt`, or ``"epoch"`` and the
        line of its log.
        """


def do_all(missing: list[Run], pool: Pool, context: Context, total: int) -> Failures:
    """Do runs that are not finished, and those that they depend on before them.

    A run that fails does not keep the others from being done, but those that copy from it.

    ``total``: runs of the study, finished ones included.
    Raises `TransferError` if no run can be done any more; what is finished stays finished.
    """
    costs = {run.name: cost(run, context.settings) for run in missing}
    pending = in_order(missing, costs)
    elsewhere: list[Run] = []  # done by another process
    failures: Failures = {}
    looked = time.monotonic()
    with Display(costs, total, context.settings.protocol.epochs) as display:
        while pending or elsewhere or pool.busy:
            pool.begin(pending, costs)
            for run, event, content in pool.events():
                if event == "error":
                    raise TransferError(content)
                if event == "epoch":
                    display.epoch(run.name, content)
                elif event == "busy":
                    elsewhere.append(run)
                elif event == "failed":
                    failures[run.name] = content
                    display.end(run.name, f"{run.name} failed: {content}")
                else:
                    display.done(content)
            if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                for run in elsewhere:
                    if finished(context.study_dir, run):
                        display.end(run.name, f"{run.name}: done by another process")
                    else:
                        pending.append(run)
                elsewhere = []
            _leave_out(pending, failures, display)
    return failures


def cost(run: Run, settings: Settings) -> float:
    """Expected cost of a run relative to others: forward, and backward through what is trained."""
    whole = multiply_adds(Architecture(run.depth, settings.alpha, settings.input_size))
    frozen = 0
    if run.kind in FROZEN_KINDS and run.kind != "A@nB" and run.n:
        frozen = multiply_adds(Architecture(run.n, settings.alpha, settings.input_size))
    return run.fraction * (3 * whole - 2 * min(frozen, whole))


def in_order(runs: list[Run], costs: Costs) -> list[Run]:
    """Runs that others wait for first, then the longest first: so that the last end together."""
    needed = {run for other in runs for run in other.depends_on}
    return sorted(runs, key=lambda run: (run not in needed, -costs[run.name]))


def ready_runs(pending: list[Run], study_dir: Path) -> list[Run]:
    """Those whose dependencies are finished, in the same order."""
    return [run for run in pending if all(finished(study_dir, r) for r in run.depends_on)]


def _leave_out(pending: list[Run], failures: Failures, display: Display) -> None:
    """Take off the list the runs that copy from a run that failed."""
    for run in list(pending):
        for needed in run.depends_on:
            if needed.name in failures:
                pending.remove(run)
                failures[run.name] = f"left out, as it copies from {needed.name}"
                display.end(run.name, f"{run.name} failed: {failures[run.name]}")
