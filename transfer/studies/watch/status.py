"""Where a study stands that another process, or another machine on a shared folder, is doing.

Nothing of the study is changed and none of its processes is asked: finished runs have a row, a run
that is being done has a lock that somebody holds, and its epochs are in its log.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfer.files import is_locked
from transfer.program import plain
from transfer.results import (
    finished,
    folded_runs,
    names_in,
    read_failures,
    read_log,
    read_runs,
    working,
)
from transfer.runs import Run, parse_run, parse_runs
from transfer.studies.engines.local import cost
from transfer.study_file import Settings, planned_runs, read_settings
from transfer.tables import place

#: A run whose lock is not seen to be held, but whose files are this fresh, is being done on a
#: machine whose locks do not reach here. In seconds, and in epochs of its own.
_FRESH_SECONDS, _FRESH_EPOCHS = 60.0, 3.0


@dataclass(frozen=True)
class Unfinished:
    """A run that was begun.

    ``epoch``: epochs that are finished.
    ``val_accuracy``: of the last one.
    ``seconds_ago``: when it ended; None if none has.
    ``held``: whether a process is seen to hold the run's lock.
    """

    run: str
    epoch: int
    val_accuracy: float | None
    seconds_ago: float | None
    held: bool


@dataclass(frozen=True)
class Status:
    """All runs of a study by where they stand.

    ``epochs``: of a run at most.
    ``planned``: what the calls of the study asked for, and what else was begun.
    ``done``, ``to_do``: names of runs: with a row; not begun.
    ``running``, ``stopped``: begun without a row: by a process that is alive, or by none.
    ``failed``: why runs failed that nobody has tried again yet, by their name.
    ``seconds_left``: estimate; None if nothing is running or no pace is known.
    """

    name: str
    epochs: int
    planned: int
    done: tuple[str, ...]
    running: tuple[Unfinished, ...]
    stopped: tuple[Unfinished, ...]
    to_do: tuple[str, ...]
    failed: dict[str, str]
    seconds_left: float | None


def status(study_dir: str | Path) -> Status:
    """Look at a study.

    Raises `TransferError` if the folder holds no study, or study.json does not say what it is.
    """
    folder = Path(study_dir)
    settings, planned = read_settings(folder), planned_runs(folder)
    begun = {*folded_runs(folder), *names_in(folder, "rows"), *names_in(folder, "logs")}
    names = sorted(begun, key=place)
    runs = list(dict.fromkeys([*planned, *parse_runs(names, folder)]))
    done = [run for run in runs if finished(folder, run)]
    failed = read_failures(folder)
    running: list[Unfinished] = []
    stopped: list[Unfinished] = []
    to_do: list[str] = []
    for run in (run for run in runs if run not in set(done)):
        found = _look(folder, run)
        if run.name in failed and not (found and found.held):
            continue
        failed.pop(run.name, None)
        if found is None:
            to_do.append(run.name)
        else:
            (running if found.held or _is_fresh(folder, found) else stopped).append(found)
    return Status(
        folder.resolve().name,
        settings.protocol.epochs,
        len(runs),
        tuple(run.name for run in done),
        tuple(running),
        tuple(stopped),
        tuple(to_do),
        failed,
        _seconds_left(folder, settings, done, running, [*(u.run for u in stopped), *to_do]),
    )


def _look(folder: Path, run: Run) -> Unfinished | None:
    """How far a run without a row is; None if it was not begun."""
    held = is_locked(working(folder, "locks", f"{run.name}.lock"))
    log = working(folder, "logs", f"{run.name}.csv")
    try:
        changed = log.stat().st_mtime
    except OSError:
        return Unfinished(run.name, 0, None, None, True) if held else None
    epochs = read_log(folder, run.name)
    if epochs.empty:
        return Unfinished(run.name, 0, None, None, held)
    last = epochs.iloc[-1]
    ago = max(0.0, time.time() - changed)
    return Unfinished(run.name, int(last["epoch"]), float(last["val_accuracy"]), ago, held)


def _is_fresh(folder: Path, found: Unfinished) -> bool:
    """Whether a run nobody is seen to hold has written an epoch so lately that somebody must."""
    if found.seconds_ago is None:
        return False
    lasted = float(read_log(folder, found.run)["seconds"].iloc[-1])
    return found.seconds_ago < max(_FRESH_SECONDS, _FRESH_EPOCHS * lasted)


def _seconds_left(
    folder: Path,
    settings: Settings,
    done: list[Run],
    running: list[Unfinished],
    waiting: list[str],
) -> float | None:
    """At the pace of the finished runs of the same kind (else of all, else of the epochs so far).

    Early stopping and whatever else shortens runs is in that pace. As many runs at a time as now.
    """
    if not running:
        return None
    lasted = read_runs(folder).set_index("run")["seconds"] if done else {}
    seconds: dict[str, float] = {}
    costs: dict[str, float] = {}
    for run in done:
        took = float(lasted[run.name])
        for key in (run.kind, ""):
            seconds[key] = seconds.get(key, 0.0) + took
            costs[key] = costs.get(key, 0.0) + cost(run, settings)
    if not done:
        for found in running:
            if found.epoch:
                log = read_log(folder, found.run)
                share = found.epoch / settings.protocol.epochs
                seconds[""] = seconds.get("", 0.0) + float(log["seconds"].sum())
                costs[""] = costs.get("", 0.0) + share * cost(parse_run(found.run), settings)
    if not costs.get(""):
        return None

    def expected(name: str) -> float:
        run = parse_run(name)
        key = run.kind if costs.get(run.kind) else ""
        return cost(run, settings) * seconds[key] / costs[key]

    left = sum(map(expected, waiting))
    for found in running:
        left += expected(found.run) * max(0.0, 1 - found.epoch / settings.protocol.epochs)
    return left / len(running)


def print_status(found: Status, console: Console | None = None) -> None:
    """Print it: colours on a terminal, plain text elsewhere."""
    console = console or Console(highlight=False, soft_wrap=True)
    console.print(
        Text(f"{plain(found.name)}: {len(found.done)} of {found.planned} runs done", "bold")
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    for state, runs, style in (
        ("running", found.running, "green"),
        ("stopped", found.stopped, "red"),
    ):
        for run in runs:
            table.add_row(Text(state, style), Text(run.run), _progress(run, found.epochs))
    for name, reason in found.failed.items():
        table.add_row(Text("failed", "red"), Text(name), Text(plain(reason)))
    if table.row_count:
        console.print(table)
    if found.to_do:
        shown = ", ".join(found.to_do[:8])
        more = f" and {len(found.to_do) - 8} more" if len(found.to_do) > 8 else ""
        console.print(Text(f"to do: {shown}{more}"))
    console.print(Text(_outlook(found)))


def _progress(run: Unfinished, epochs: int) -> Text:
    if run.val_accuracy is None or run.seconds_ago is None:
        return Text("in its first epoch" if run.held else "no epoch finished")
    return Text(
        f"epoch {run.epoch} of {epochs} done {_duration(run.seconds_ago)} ago, "
        f"validation accuracy {run.val_accuracy:.3f}"
    )


def _outlook(found: Status) -> str:
    """What will happen, as far as it is known."""
    missing = found.planned - len(found.done)
    if not missing:
        return "Complete."
    if not found.running:
        stopped = (
            f" {_count(len(found.stopped))} stopped half way: killed, or ended by an "
            "error that its process told; it goes on from its last epoch."
            if found.stopped
            else ""
        )
        return f"Nobody is working on it; the same study command goes on from here.{stopped}"
    at_a_time = f"{_count(len(found.running))} at a time"
    if found.seconds_left is None:
        return f"{at_a_time}; the time left is not known before an epoch is finished."
    return f"About {_duration(found.seconds_left)} left at the pace so far, {at_a_time}."


def _count(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"


def _duration(seconds: float) -> str:
    """
    >>> _duration(42), _duration(150), _duration(9000)
    ('42 s', '2.5 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"
