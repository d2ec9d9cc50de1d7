"""Run a study on this machine: several worker processes, dependencies respected.

The parent never imports TensorFlow. A run is done by whoever holds its lock, and the operating
system frees the lock of a process that dies, so two studies on one folder share the work.
"""

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import exclusively, remove_temporaries
from transfer.folding import write_failure
from transfer.machine import cores
from transfer.program import CUT_MEANWHILE
from transfer.progress import quietly
from transfer.results import finished, working
from transfer.runs import FROZEN_KINDS, Run
from transfer.studies.engines.dispatch import SECONDS_BETWEEN_LOOKS, Costs, ready_runs
from transfer.study_file import GRAPHS_KEPT, Context

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_FOLDERS_OF_A_RUN = ("failed", "checkpoints", "logs", "predictions", "rows")


@contextlib.contextmanager
def processes(context: Context, runs: int, workers: int | None) -> Iterator["_Pool"]:
    """Worker processes for so many runs (None: one a core), which end with the block."""
    pool = _Pool(context, min(workers or cores(), runs))
    try:
        yield pool
    finally:
        for worker in pool.workers:
            worker.stop()


class _Pool:
    """Worker processes, each with one run at a time; see `transfer.studies.engines.dispatch`."""

    def __init__(self, context: Context, count: int) -> None:
        self._study_dir = context.study_dir
        self.workers = [_Worker(context) for _ in range(count)]

    @property
    def busy(self) -> bool:
        return any(worker.run for worker in self.workers)

    def begin(self, pending: list[Run], costs: Costs) -> None:
        for worker in self.workers:
            if worker.run is None:
                run = _next(pending, costs, self._study_dir, worker.graphs)
                if run is not None:
                    worker.give(run)

    def events(self) -> Iterator[tuple[Run, str, Any]]:
        ready = wait([worker.connection for worker in self.workers], SECONDS_BETWEEN_LOOKS)
        for worker in self.workers:
            if worker.connection in ready:
                yield worker.hear()


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

    def hear(self) -> tuple[Run, str, Any]:
        """What it says of its run, which it has ended unless an epoch did."""
        try:
            event, content = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self.ended() from None
        run = self.run
        assert run is not None  # a worker says nothing of itself
        if event != "epoch":
            self.run = None
        return run, event, content

    def ended(self) -> TransferError:
        """The error of a process that is gone."""
        self.process.join()
        name = self.run.name if self.run else "a worker"
        if self.process.exitcode == -getattr(signal, "SIGBUS", 0):
            return TransferError(f"The process of {name} ended: {CUT_MEANWHILE}")
        return TransferError(
            f"The process of {name} ended unexpectedly (exit code {self.process.exitcode}; "
            "-9 often means that memory ran out): use fewer --workers. "
            "The same command goes on from here."
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _next(
    pending: list[Run], costs: Costs, study_dir: Path, graphs: Collection[Hashable]
) -> Run | None:
    """The first run whose dependencies are finished, taken off the list.

    One whose graph is traced goes before, but not before one of twice the computation.
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
    return run.depth, run.fraction


def _work(connection: Connection, context: Context) -> None:
    """The life of a worker process."""
    execute = start_worker(context.threads)

    def on_epoch(epoch: Any) -> None:
        connection.send(("epoch", epoch))

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
    on_epoch: Callable[[Any], None] = lambda epoch: None,
) -> tuple[str, Any]:
    """Do a run, unless another process does or has done it.

    Returns ``"done"`` and the row; ``"busy"`` and None; ``"failed"`` and a sentence that is
    recorded too; or ``"error"`` and a sentence if no run can be done, as on a full disk.
    """
    study_dir = context.study_dir
    try:
        with _lock(study_dir, run) as mine:
            if not mine or finished(study_dir, run):
                return "busy", None
            remove_temporaries(study_dir / "models", run.name)
            for folder in _FOLDERS_OF_A_RUN:
                remove_temporaries(working(study_dir, folder), run.name)
            working(study_dir, "failed", f"{run.name}.json").unlink(missing_ok=True)
            try:
                return "done", execute(run, context, lambda epochs: on_epoch(epochs[-1]))
            except TransferError as error:
                if getattr(error.__cause__, "errno", None) in _NO_ROOM:
                    raise
                reason = str(error)
            except MemoryError:
                reason = "Not enough memory: use fewer --workers or a smaller input."
            write_failure(study_dir, run.name, reason)
            return "failed", reason
    except TransferError as error:
        return "error", str(error)
    except OSError as error:
        return "error", f"{run.name} cannot go on: {error.strerror or error}."


def _lock(study_dir: Path, run: Run) -> contextlib.AbstractContextManager[bool]:
    """Whether this process now owns the run; freed by the system if the process dies."""
    return exclusively(working(study_dir, "locks", f"{run.name}.lock"), wait=False)
