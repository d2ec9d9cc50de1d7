"""Where a study stands that another process is doing; nothing of it is changed."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfer import results
from transfer.files import is_locked
from transfer.program import plain
from transfer.runs import Run, parse_run, parse_runs
from transfer.studies.engines.dispatch import cost
from transfer.study_file import Settings, planned_runs, read_settings
from transfer.tables import place

#: A run whose lock is not seen to be held, but whose files are this fresh, is being done on a
#: machine whose locks do not reach here. In seconds, and in epochs of its own.
_FRESH_SECONDS, _FRESH_EPOCHS = 60.0, 3.0


@dataclass(frozen=True)
class Unfinished:
    """A run that was begun."""

    run: str
    epoch: int  #: the last that is finished; 0 if there is none
    val_accuracy: float | None  #: of that epoch
    seconds_ago: float | None  #: when it ended
    locked: bool  #: whether a process is seen to hold the run's lock


@dataclass(frozen=True)
class Status:
    """All runs of a study by where they stand."""

    name: str
    epochs: int  #: of a run at most
    planned: int  #: runs that the calls of the study asked for, and what else was begun
    done: tuple[str, ...]  #: names of the runs with a row
    running: tuple[Unfinished, ...]  #: begun without a row, by a process that is alive
    stopped: tuple[Unfinished, ...]  #: begun without a row, by none that is alive
    to_do: tuple[str, ...]  #: names of the runs not begun
    failed: dict[str, str]  #: why runs failed that nobody has tried again yet, by their name
    seconds_left: float | None  #: an estimate; None if nothing is running or no pace is known


def status(study_dir: str | Path) -> Status:
    """Look at a study."""
    folder = Path(study_dir)
    settings, planned = read_settings(folder), planned_runs(folder)
    begun = {
        *results.folded_runs(folder),
        *results.names_in(folder, "rows"),
        *results.names_in(folder, "logs"),
    }
    names = sorted(begun, key=place)
    runs = list(dict.fromkeys([*planned, *parse_runs(names, folder)]))
    done = [run for run in runs if results.finished(folder, run)]
    failed = results.read_failures(folder)
    running: list[Unfinished] = []
    stopped: list[Unfinished] = []
    to_do: list[str] = []
    for run in (run for run in runs if run not in set(done)):
        state = _look(folder, run)
        if run.name in failed and not (state and state.locked):
            continue
        failed.pop(run.name, None)
        if state is None:
            to_do.append(run.name)
        else:
            (running if state.locked or _is_fresh(folder, state) else stopped).append(state)
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
    locked = is_locked(results.working(folder, "locks", f"{run.name}.lock"))
    log = results.working(folder, "logs", f"{run.name}.csv")
    try:
        changed = log.stat().st_mtime
    except OSError:
        return Unfinished(run.name, 0, None, None, True) if locked else None
    epochs = results.read_log(folder, run.name)
    if epochs.empty:
        return Unfinished(run.name, 0, None, None, locked)
    last = epochs.iloc[-1]
    ago = max(0.0, time.time() - changed)
    return Unfinished(run.name, int(last["epoch"]), float(last["val_accuracy"]), ago, locked)


def _is_fresh(folder: Path, begun: Unfinished) -> bool:
    """Whether a run nobody is seen to hold has written an epoch so lately that somebody must."""
    if begun.seconds_ago is None:
        return False
    lasted = float(results.read_log(folder, begun.run)["seconds"].iloc[-1])
    return begun.seconds_ago < max(_FRESH_SECONDS, _FRESH_EPOCHS * lasted)


def _seconds_left(
    folder: Path, settings: Settings, done: list[Run], running: list[Unfinished], waiting: list[str]
) -> float | None:
    """At the pace of the finished runs of the same kind (else of all, or of the epochs so far)."""
    if not running:
        return None
    epochs = settings.protocol.epochs
    lasted = results.read_runs(folder).set_index("run")["seconds"] if done else {}
    paces = [(run.kind, float(lasted[run.name]), cost(run, settings)) for run in done]
    if not done:
        for begun in running:
            seconds = (
                float(results.read_log(folder, begun.run)["seconds"].sum()) if begun.epoch else 0.0
            )
            share = begun.epoch / epochs
            paces.append(("", seconds, share * cost(parse_run(begun.run), settings)))
    if not any(costs for _, _, costs in paces):
        return None

    def expected(name: str) -> float:
        run = parse_run(name)
        alike = [pace for pace in paces if pace[0] == run.kind] or paces
        _, seconds, costs = zip(*alike, strict=True)
        return cost(run, settings) * sum(seconds) / sum(costs)

    left = sum(map(expected, waiting))
    left += sum(expected(begun.run) * max(0.0, 1 - begun.epoch / epochs) for begun in running)
    return left / len(running)


def print_status(seen: Status, console: Console | None = None) -> None:
    """Print it: colours on a terminal, plain text elsewhere."""
    console = console or Console(highlight=False, soft_wrap=True)
    done = f"{plain(seen.name)}: {len(seen.done)} of {seen.planned} runs done"
    console.print(Text(done, "bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for run in (*seen.running, *seen.stopped):
        state = Text("running", "green") if run in seen.running else Text("stopped", "red")
        table.add_row(state, Text(run.run), _progress(run, seen.epochs))
    for name, reason in seen.failed.items():
        table.add_row(Text("failed", "red"), Text(name), Text(plain(reason)))
    if table.row_count:
        console.print(table)
    if seen.to_do:
        shown = ", ".join(seen.to_do[:8])
        more = f" and {len(seen.to_do) - 8} more" if len(seen.to_do) > 8 else ""
        console.print(Text(f"to do: {shown}{more}"))
    console.print(Text(_outlook(seen)))


def _progress(run: Unfinished, epochs: int) -> Text:
    if run.val_accuracy is None or run.seconds_ago is None:
        return Text("in its first epoch" if run.locked else "no epoch finished")
    return Text(
        f"epoch {run.epoch} of {epochs} done {_duration(run.seconds_ago)} ago, "
        f"validation accuracy {run.val_accuracy:.3f}"
    )


def _outlook(seen: Status) -> str:
    """What will happen, as far as it is known."""
    missing = seen.planned - len(seen.done)
    if not missing:
        return "Complete."
    if not seen.running:
        stopped = (
            f" {_count(len(seen.stopped))} stopped half way, killed or ended by an "
            "error that its process reported; each goes on from its last epoch."
            if seen.stopped
            else ""
        )
        return f"Nobody is working on it; the same study command goes on from here.{stopped}"
    at_a_time = f"{_count(len(seen.running))} at a time"
    if seen.seconds_left is None:
        return f"{at_a_time}; the time left is not known before an epoch is finished."
    return f"About {_duration(seen.seconds_left)} left at the pace so far, {at_a_time}."


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
