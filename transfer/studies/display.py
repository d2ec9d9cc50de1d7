"""What a person sees while a study runs: a live panel on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display:
    """Progress of a study; used as a context manager.

    ``costs``: expected relative cost of each run still to do; the time left is estimated from it.
    ``total``: runs of the study, finished ones included. ``epochs``: of a run at most.
    """

    def __init__(self, costs: Mapping[str, float], total: int, epochs: int) -> None:
        self._costs, self._total, self._epochs = dict(costs), total, epochs
        self._shares: dict[str, float] = {}  # of each running run, 0..1
        self._done: set[str] = set()
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

    def __enter__(self) -> "Display":
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
        if self._live.disable:
            print(f"[{self._count()}] {line}; {self._eta()}", file=sys.stderr, flush=True)
        else:
            self._live.console.print(line, highlight=False)
        if run in self._lines:
            self._live.remove_task(self._lines.pop(run))
        self._show_overall()

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
