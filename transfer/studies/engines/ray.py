"""Run a study on a Ray cluster: every run is a Ray task, retried where its node is lost.

The folder of the study and that of the data lie on a path that all nodes share. The weights of
baseA go through Ray's object store, as they may lie on one machine only.
"""

import contextlib
import dataclasses
import functools
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.files import Version, version_of
from transfer.machine import cores
from transfer.program import how_to_install
from transfer.progress import quietly
from transfer.results import read_log, working
from transfer.runs import Run
from transfer.studies.engines.dispatch import SECONDS_BETWEEN_LOOKS, Costs, ready_runs
from transfer.studies.engines.local import attempt, start_worker
from transfer.studies.setup import environment
from transfer.study_file import Context

try:
    import ray
    from ray._private import ray_constants
except ModuleNotFoundError as error:
    raise TransferError(
        f"--engine ray needs Ray, which is not installed: {how_to_install('ray')}"
    ) from error

_RETRIES = 5  # nodes that may be lost under one run; each costs the epoch it was in
_SECONDS_TO_ANSWER = 10.0
_OBJECT_STORE_BYTES = 200 << 20  # of a cluster of our own; it holds the weights of baseA only


@contextlib.contextmanager
def cluster(
    context: Context, runs: int, workers: int | None, address: str | None
) -> Iterator["_Tasks"]:
    """Ray tasks for so many runs; what still runs at the end of the block is ended.

    ``workers``: runs at a time, between which the GPUs are shared out; None: one a CPU, or one a
    GPU. ``address``: ``HOST:PORT`` or ``auto``; None: this machine alone.
    """
    # The tasks run in folders of their own.
    context = dataclasses.replace(
        context, study_dir=context.study_dir.absolute(), data=context.data.absolute()
    )
    with _connected(address):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = gpus_a_run(nodes, workers, context.threads)
        print(
            f"Ray: nodes {len(nodes)}, CPUs a run {context.threads}, GPUs a run {gpus:g}",
            file=sys.stderr,
        )
        yield _Tasks(context, gpus, workers or runs)


def gpus_a_run(
    nodes: Sequence[Mapping[str, float]], workers: int | None, threads: int = 1
) -> float:
    """The share of a GPU that each run takes: 0 on a cluster without any, else at most 1."""
    usable = [node for node in nodes if node.get("CPU", 0) >= threads]
    if not usable:
        raise TransferError(
            f"Expected a Ray cluster with a node that offers CPUs, {threads} or more. "
            "Received: one without any."
        )
    gpus = int(sum(node.get("GPU", 0) for node in usable))
    if not gpus:
        return 0
    return math.floor(10_000 / math.ceil((workers or gpus) / gpus)) / 10_000


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one of this machine; leave or stop it at the end."""
    if address is not None and address != "auto":
        _check_reachable(address)
    own: dict[str, Any] = {
        "num_cpus": cores(),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    try:
        # As Ray does on macOS: a cluster of one machine listens to that machine alone.
        ray_constants.ENABLE_RAY_CLUSTER = address is not None
        with quietly():
            ray.init(
                address or "local",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **({} if address else own),
            )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TransferError(
            f"Cannot use the Ray cluster at {address or 'this machine'}: {reason.rstrip('.')}. "
            "If it asks for a token, give --address auto on one of its nodes."
        ) from error
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters
        if main:
            signal.signal(signal.SIGTERM, before)  # Ray puts its own in place
    try:
        yield
    finally:
        ray.shutdown()  # ends the tasks that still run


def _check_reachable(address: str) -> None:
    """Refuse an address where nobody answers: Ray alone would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TransferError(f"Cannot use the Ray cluster at {address}: {reason}.") from error


def _task(
    run: Run, context: Context, base: bytes | None, versions: dict[str, str]
) -> tuple[str, Any]:
    """A run, on a node of the cluster; returns what `attempt` returns."""
    problem = _unfit(context.study_dir, versions)
    if problem:
        return "error", f"The node {os.uname().nodename} {problem}."
    execute = start_worker(context.threads)
    with tempfile.TemporaryDirectory(prefix="feature-transfer-") as folder:
        if base is not None and context.source_path is not None:
            path = Path(folder) / context.source_path.name
            path.write_bytes(base)
            context = dataclasses.replace(context, source_path=path)
        return attempt(run, context, execute)


@functools.cache
def _installed() -> dict[str, str]:
    return environment()["versions"]


def _unfit(study_dir: Path, versions: dict[str, str]) -> str | None:
    """Why this node cannot take part, if it cannot."""
    if not (study_dir / "study.json").exists():
        return f"does not see {study_dir}; give an --out on a path that all nodes share"
    installed = _installed()
    for library, version in versions.items():
        if installed.get(library) != version:
            return f"has {library} {installed.get(library)}, this command {version}"
    return None


class _Tasks:
    """Runs on the cluster, ``most`` at a time; see `transfer.studies.engines.dispatch`."""

    def __init__(self, context: Context, gpus: float, most: int) -> None:
        self._study_dir, self._most = context.study_dir, most
        resources: Any = {"num_cpus": context.threads, "num_gpus": gpus}
        task = ray.remote(max_retries=_RETRIES, scheduling_strategy="SPREAD", **resources)(_task)
        # A task is given the bytes themselves; Ray's type hints do not allow None.
        base: Any = None
        if context.source_path is not None:
            base = ray.put(context.source_path.read_bytes())
        versions = environment()["versions"]
        self._submit = lambda run: task.remote(run, context, base, versions)
        self._running: dict[Any, Run] = {}
        self._logs: dict[str, Version | None] = {}  # as they were shown

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def begin(self, pending: list[Run], costs: Costs) -> None:
        for run in ready_runs(pending, self._study_dir)[: self._most - len(self._running)]:
            pending.remove(run)
            self._running[self._submit(run)] = run

    def events(self) -> Iterator[tuple[Run, str, Any]]:
        tasks = list(self._running)
        ended: list[Any] = []
        if not tasks:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        elif ray.wait(tasks, timeout=SECONDS_BETWEEN_LOOKS)[0]:
            ended = ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]
        if _raylet_is_gone() or not any(node["Alive"] for node in ray.nodes()):
            raise TransferError(
                "The Ray cluster has no node left. The same command goes on from here once it has."
            )
        for task in ended:
            run = self._running.pop(task)
            yield run, *_result(task, run)
        for run in self._running.values():
            log = version_of(working(self._study_dir, "logs", f"{run.name}.csv"))
            if log != self._logs.get(run.name):
                self._logs[run.name] = log
                with contextlib.suppress(OSError, TransferError, IndexError):
                    yield run, "epoch", read_log(self._study_dir, run.name).iloc[-1].to_dict()


def _raylet_is_gone() -> bool:
    """Whether the node that this command has started is gone; Ray itself notices it late."""
    node = ray._private.worker._global_node
    own: list[Any] = node.all_processes.get("raylet", []) if node else []
    return any(one.process.poll() is not None for one in own)


def _result(task: Any, run: Run) -> tuple[str, Any]:
    """What `attempt` returned."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        reason = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
        raise TransferError(
            f"{run.name} failed on the cluster: {reason.splitlines()[0].rstrip('.')}. "
            "The same command goes on from here."
        ) from error
