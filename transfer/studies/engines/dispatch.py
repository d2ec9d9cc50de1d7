"""What every engine does with the runs of a study: order them, give them out, show how they go."""

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from transfer.errors import TransferError
from transfer.networks.backbone import BACKBONES
from transfer.results import finished
from transfer.runs import FROZEN_KINDS, Run
from transfer.study_file import Context, Settings

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
        """What has happened to runs: the outcome of `attempt`, or ``"epoch"`` and its line."""


def do_all(missing: list[Run], pool: Pool, context: Context, total: int) -> Failures:
    """Do runs that are not finished, and those that they depend on before them.

    If a run fails, all others are still done, except those that copy from it.
    """
    costs = {run.name: cost(run, context.settings) for run in missing}
    pending = in_order(missing, costs)
    elsewhere: list[Run] = []  # done by another process
    failures: Failures = {}
    looked = time.monotonic()
    with _Display(costs, total, context.settings.protocol.epochs) as display:
        while pending or elsewhere or pool.busy:
            pool.begin(pending, costs)
            for run, event, content in pool.events():
                if event == "error":
                    raise TransferError(content)
                if event == "epoch":
                    display.epoch(run.name, content)
                elif event == "busy":
                    elsewhere.append(run)
                    display.wait_for(run.name)
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
    """Expected cost of a run: forward, and backward through what is trained, by blocks."""
    depth = run.depth or BACKBONES[settings.backbone].blocks
    frozen = 0
    if run.kind in FROZEN_KINDS and run.kind != "A@nB" and run.n:
        frozen = run.n
    return run.fraction * (3 * (depth + 1) - 2 * frozen)


def in_order(runs: list[Run], costs: Costs) -> list[Run]:
    """Runs that others wait for first, then the longest first: so that the last end together."""
    needed = {run for other in runs for run in other.depends_on}
    return sorted(runs, key=lambda run: (run not in needed, -costs[run.name]))


def ready_runs(pending: list[Run], study_dir: Path) -> list[Run]:
    """Those whose dependencies are finished, in the same order."""
    return [run for run in pending if all(finished(study_dir, r) for r in run.depends_on)]


def _leave_out(pending: list[Run], failures: Failures, display: "_Display") -> None:
    """Take off the list the runs that copy from a run that failed."""
    for run in list(pending):
        for needed in run.depends_on:
            if needed.name in failures:
                pending.remove(run)
                failures[run.name] = f"left out, as it copies from {needed.name}"
                display.end(run.name, f"{run.name} failed: {failures[run.name]}")


class _Display:
    """Progress of a study: a live panel on a terminal, plain lines elsewhere."""

    def __init__(self, costs: Mapping[str, float], total: int, epochs: int) -> None:
        self._costs, self._total, self._epochs = dict(costs), total, epochs
        self._shares: dict[str, float] = {}  # of each running run, 0..1
        self._done: set[str] = set()
        self._awaited: set[str] = set()
        self._began = time.monotonic()
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._overall = self._live.add_task("runs", total=1.0, note="starting")
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "_Display":
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def epoch(self, run: str, logged: Mapping[str, float]) -> None:
        """A run finished an epoch."""
        self._shares[run] = logged["epoch"] / self._epochs
        note = f"epoch {logged['epoch']:.0f}/{self._epochs} val {logged['val_accuracy']:.3f}"
        if run not in self._lines:
            self._lines[run] = self._live.add_task(f"  {run}", total=1.0, note=note)
        self._live.update(self._lines[run], completed=self._shares[run], note=note)
        self._show_overall()

    def wait_for(self, run: str) -> None:
        """A run is held by another process; said once."""
        if run not in self._awaited:
            self._awaited.add(run)
            self._tell(f"{run}: another process is doing it, waiting")

    def done(self, row: Mapping[str, Any]) -> None:
        """A run is finished; ``row`` is its row of runs.csv."""
        self.end(
            row["run"],
            f"{row['run']}: test {row['test_accuracy']:.3f} "
            f"({row['test_low']:.3f} to {row['test_high']:.3f}), best epoch "
            f"{row['best_epoch']} of {row['epochs']}, {row['seconds']:.0f} s",
        )

    def end(self, run: str, line: str) -> None:
        """A run is no longer to be done; ``line`` says why."""
        self._done.add(run)
        self._shares.pop(run, None)
        self._tell(line)
        if run in self._lines:
            self._live.remove_task(self._lines.pop(run))
        self._show_overall()

    def _tell(self, line: str) -> None:
        if self._live.disable:
            print(f"[{self._count()}] {line}; {self._eta()}", file=sys.stderr, flush=True)
        else:
            self._live.console.print(line, highlight=False)

    def _show_overall(self) -> None:
        note = f"{self._count()}, {self._eta()}"
        self._live.update(self._overall, completed=self._share(), note=note)

    def _count(self) -> str:
        return f"{self._total - len(self._costs) + len(self._done)}/{self._total}"

    def _share(self) -> float:
        whole = sum(self._costs.values())
        done = sum(self._costs[run] for run in self._done)
        running = sum(self._costs[run] * share for run, share in self._shares.items())
        return (done + running) / whole if whole else 1.0

    def _eta(self) -> str:
        """Time remaining at the speed so far; early stopping can only make it shorter."""
        share = self._share()
        if share <= 0:
            return "ETA unknown"
        seconds = (time.monotonic() - self._began) * (1 - share) / share
        return f"ETA {int(seconds) // 60}:{int(seconds) % 60:02d}"
