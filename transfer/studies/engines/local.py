"""Run a study on this machine: several worker processes, dependencies respected.

The parent never imports TensorFlow. Each worker imports it once, takes one run after another and
reports after every epoch. A run is done by whoever holds its lock, and the operating system frees
the lock of a process that dies, so two studies on one folder share the work.
"""

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import exclusively, remove_temporaries
from transfer.folding import write_failure
from transfer.machine import cores
from transfer.networks.architecture import Architecture, multiply_adds
from transfer.progress import quietly
from transfer.results import finished, working
from transfer.runs import FROZEN_KINDS, Run
from transfer.studies.context import GRAPHS_KEPT, Context
from transfer.studies.display import Display
from transfer.study_file import Settings

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_SECONDS_BETWEEN_LOOKS = 1.0  # at runs that another process is doing
_FOLDERS_OF_A_RUN = ("failed", "checkpoints", "logs", "predictions", "rows")


def default_workers() -> int:
    """One worker a core: at these sizes a second thread in a process gains next to nothing."""
    return cores()


Failures = dict[str, str]  #: why a run failed or was left out, by its name


def run_study(runs: list[Run], context: Context, workers: int | None = None) -> Failures:
    """Do all runs of a study that are not finished yet.

    A run that fails does not keep the others from being done, but those that copy from it.

    ``runs``: with all they depend on.
    ``workers``: worker processes; None: one a core.
    Returns why a run failed or was left out, by its name.
    Raises `TransferError` if a worker process dies, or nothing can be written; what is finished
    stays finished.
    """
    missing = [run for run in runs if not finished(context.study_dir, run)]
    count = min(workers or default_workers(), len(missing))
    if not missing:
        return {}
    costs = {run.name: cost(run, context.settings) for run in missing}
    pending = in_order(missing, costs)
    pool = [_Worker(context) for _ in range(count)]
    try:
        with Display(costs, len(runs), context.settings.protocol.epochs) as display:
            return _dispatch(pool, pending, costs, context.study_dir, display)
    finally:
        for worker in pool:
            worker.stop()


def cost(run: Run, settings: Settings) -> float:
    """Expected cost of a run relative to others: forward, and backward through what is trained."""
    whole = multiply_adds(Architecture(run.depth, settings.alpha, settings.input_size))
    frozen = 0
    if run.kind in FROZEN_KINDS and run.kind != "A@nB" and run.n:
        frozen = multiply_adds(Architecture(run.n, settings.alpha, settings.input_size))
    return run.fraction * (3 * whole - 2 * min(frozen, whole))


def in_order(runs: list[Run], costs: Mapping[str, float]) -> list[Run]:
    """Runs that others wait for first, then the longest first: so that the last end together."""
    needed = {run for other in runs for run in other.depends_on}
    return sorted(runs, key=lambda run: (run not in needed, -costs[run.name]))


def ready_runs(pending: list[Run], study_dir: Path) -> list[Run]:
    """Those whose dependencies are finished, in the same order."""
    return [run for run in pending if all(finished(study_dir, r) for r in run.depends_on)]


class _Worker:
    """A process that does one run at a time, seen from the parent."""

    def __init__(self, context: Context) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(theirs, context), daemon=True)
        resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
        # Ctrl-C reaches every process of the terminal; only the parent decides when to stop.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.run: Run | None = None
        self.graphs: deque[Hashable] = deque(maxlen=GRAPHS_KEPT)

    def give(self, run: Run) -> None:
        self.run = run
        graph = _graph(run)
        if graph in self.graphs:
            self.graphs.remove(graph)
        self.graphs.append(graph)
        try:
            self.connection.send(run)
        except (BrokenPipeError, ConnectionResetError):
            raise self.ended() from None

    def ended(self) -> TransferError:
        """The error of a process that is gone."""
        self.process.join()
        name = self.run.name if self.run else "a worker"
        return TransferError(
            f"The process of {name} ended unexpectedly (exit code {self.process.exitcode}; "
            "-9 often means that memory ran out): use fewer --workers. "
            "The same command goes on from here."
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _dispatch(
    pool: list[_Worker],
    pending: list[Run],
    costs: Mapping[str, float],
    study_dir: Path,
    display: Display,
) -> Failures:
    """Give runs to idle workers until none is left; look again at those done elsewhere."""
    elsewhere: list[Run] = []
    failures: Failures = {}
    looked = time.monotonic()
    while pending or elsewhere or any(worker.run for worker in pool):
        for worker in pool:
            if worker.run is None:
                run = _next(pending, costs, study_dir, worker.graphs)
                if run is not None:
                    worker.give(run)
        ready = wait([worker.connection for worker in pool], timeout=_SECONDS_BETWEEN_LOOKS)
        for worker in pool:
            if worker.connection in ready:
                _hear(worker, elsewhere, failures, display)
        if elsewhere and time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
            looked = time.monotonic()
            for run in list(elsewhere):
                elsewhere.remove(run)
                if finished(study_dir, run):
                    display.done_elsewhere(run.name)
                else:
                    pending.append(run)
        leave_out(pending, failures, display)
    return failures


def leave_out(pending: list[Run], failures: Failures, display: Display) -> None:
    """Take off the list the runs that copy from a run that failed."""
    for run in list(pending):
        for needed in run.depends_on:
            if needed.name in failures:
                pending.remove(run)
                failures[run.name] = f"left out, as it copies from {needed.name}"
                display.failed(run.name, failures[run.name])


def _next(
    pending: list[Run], costs: Mapping[str, float], study_dir: Path, graphs: Collection[Hashable]
) -> Run | None:
    """The first run whose dependencies are finished, taken off the list.

    One whose graph the worker has traced goes before: tracing takes a third of a short run. But
    not before one of twice the computation, or the longest runs would end the study alone.
    """
    ready = ready_runs(pending, study_dir)
    if not ready:
        return None
    long = [run for run in ready if 2 * costs[run.name] >= costs[ready[0].name]]
    chosen = next((run for run in long if _graph(run) in graphs), ready[0])
    pending.remove(chosen)
    return chosen


def _graph(run: Run) -> Hashable:
    """Runs with the same value share a traced graph; see `transfer.training.step.Setting`."""
    if run.kind in FROZEN_KINDS:
        return run.kind == "A@nB", run.n, run.bn, run.fraction
    return run.kind == "sliced" and run.n, run.fraction


def _hear(
    worker: _Worker,
    elsewhere: list[Run],
    failures: Failures,
    display: Display,
) -> None:
    try:
        event, content = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        raise worker.ended() from None
    if event == "epoch":
        display.epoch(*content)
        return
    if event == "error":
        raise TransferError(content)
    run, worker.run = worker.run, None
    if event == "busy" and run is not None:
        elsewhere.append(run)
    elif event == "failed" and run is not None:
        failures[run.name] = content
        display.failed(run.name, content)
    elif event == "done":
        display.done(content)


def _work(connection: Connection, context: Context) -> None:
    """The life of a worker process."""
    execute = start_worker(context.threads)

    def on_epoch(name: str, epoch: Any) -> None:
        connection.send(("epoch", (name, epoch)))

    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            run: Run = connection.recv()
            connection.send(attempt(run, context, execute, on_epoch))


@functools.cache
def start_worker(threads: int) -> Callable[..., dict[str, Any]]:
    """Make a process ready for runs, once, before it uses TensorFlow; returns `execute`."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # TensorFlow turns oneDNN on by itself on the newest processors only; it is faster on all.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Without it the first process takes all memory of a GPU.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with quietly():  # TensorFlow greets every process, whatever its log level
        from transfer.studies.execute import execute
        from transfer.training.loop import use_deterministic_cpu

        use_deterministic_cpu(threads)
    return execute


def attempt(
    run: Run,
    context: Context,
    execute: Callable[..., dict[str, Any]],
    on_epoch: Callable[[str, Any], None] = lambda name, epoch: None,
) -> tuple[str, Any]:
    """Do a run, unless another process does or has done it.

    Returns ``"done"`` and the row, ``"busy"`` and None, ``"failed"`` and a sentence that is
    recorded too,.
    Returns or ``"error"`` and a sentence if no run can be done, as on a full disk.
    """
    try:
        return _attempt(run, context, execute, on_epoch)
    except TransferError as error:
        return "error", str(error)
    except OSError as error:
        return "error", f"{run.name} cannot go on: {error.strerror or error}."


def _attempt(
    run: Run,
    context: Context,
    execute: Callable[..., dict[str, Any]],
    on_epoch: Callable[[str, Any], None],
) -> tuple[str, Any]:
    with _lock(context.study_dir, run) as mine:
        if not mine or finished(context.study_dir, run):
            return "busy", None
        remove_temporaries(context.study_dir / "models", run.name)
        for folder in _FOLDERS_OF_A_RUN:
            remove_temporaries(working(context.study_dir, folder), run.name)
        working(context.study_dir, "failed", f"{run.name}.json").unlink(missing_ok=True)
        try:
            return "done", execute(run, context, lambda epochs: on_epoch(run.name, epochs[-1]))
        except TransferError as error:
            if getattr(error.__cause__, "errno", None) in _NO_ROOM:
                raise
            reason = str(error)
        except MemoryError:
            reason = "Not enough memory: use fewer --workers or a smaller input."
        write_failure(context.study_dir, run.name, reason)
        return "failed", reason


def _lock(study_dir: Path, run: Run) -> contextlib.AbstractContextManager[bool]:
    """Whether this process now owns the run; freed by the system if the process dies."""
    return exclusively(working(study_dir, "locks", f"{run.name}.lock"), wait=False)
