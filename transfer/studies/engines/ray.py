"""Run a study on a Ray cluster: every run is a Ray task, retried where its node is lost.

Each task does a run as a local worker does, under the same lock. The folder of the study and that
of the data lie on a path that all nodes share: results are written there once, images are mapped
from there, and progress is read from the logs there. The weights of baseA go through Ray's object
store, as they may lie on one machine only. ``docs/cluster.md`` shows how to set it up.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import TransferError
from transfer.program import how_to_install
from transfer.progress import quietly
from transfer.results import finished, read_log, working
from transfer.runs import Run
from transfer.studies.context import Context
from transfer.studies.display import Display
from transfer.studies.engines.local import (
    Failures,
    attempt,
    cost,
    default_workers,
    in_order,
    leave_out,
    ready_runs,
    start_worker,
)
from transfer.studies.setup import environment

try:
    import ray
except ModuleNotFoundError as error:
    raise TransferError(
        f"--engine ray needs Ray, which is not installed: {how_to_install('ray')}"
    ) from error

_RETRIES = 5  # nodes that may be lost under one run; each costs the epoch it was in
_SECONDS_BETWEEN_LOOKS = 1.0  # at logs, and at runs that another process is doing
_SECONDS_TO_ANSWER = 10.0
_OBJECT_STORE_BYTES = 200 << 20  # of a cluster of our own; it holds the weights of baseA only


def run_study(
    runs: list[Run], context: Context, workers: int | None = None, address: str | None = None
) -> Failures:
    """Do all runs of a study that are not finished yet.

    A run that fails does not keep the others from being done, but those that copy from it.

    ``runs``: with all they depend on.
    ``workers``: runs at a time at most, between which the cluster's GPUs are shared out; None: one
    a CPU, or one a GPU where there are any.
    ``address``: of the cluster, ``HOST:PORT`` or ``auto``; None: this machine alone.
    Returns why a run failed or was left out, by its name.
    Raises `TransferError` if the cluster cannot be reached or cannot be used; what is finished
    stays finished.
    """
    missing = [run for run in runs if not finished(context.study_dir, run)]
    if not missing:
        return {}
    costs = {run.name: cost(run, context.settings) for run in missing}
    pending = in_order(missing, costs)
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
        submit = _submitter(context, gpus)
        with Display(costs, len(runs), context.settings.protocol.epochs) as display:
            return _dispatch(submit, pending, context.study_dir, workers or len(missing), display)


def gpus_a_run(
    nodes: Sequence[Mapping[str, float]], workers: int | None, threads: int = 1
) -> float:
    """The share of a GPU that each run takes: 0 on a cluster without any, else at most 1.

    ``nodes``: resources of each node, ``{"CPU": 16, "GPU": 1}``.
    ``workers``: runs at a time; None: one a GPU.
    ``threads``: CPUs that a run takes.
    Raises `TransferError` if no node offers that many CPUs.
    """
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
        "num_cpus": default_workers(),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
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


def _submitter(context: Context, gpus: float) -> Callable[[Run], Any]:
    """What makes a task of a run."""
    task = ray.remote(
        num_cpus=context.threads,
        num_gpus=gpus,
        max_retries=_RETRIES,
        scheduling_strategy="SPREAD",
    )(_task)
    # Ray puts the bytes in place of the reference; its types know no optional one.
    base: Any = None
    if context.source_path is not None:
        base = ray.put(context.source_path.read_bytes())
    versions = environment()["versions"]
    return lambda run: task.remote(run, context, base, versions)


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


def _dispatch(
    submit: Callable[[Run], Any],
    pending: list[Run],
    study_dir: Path,
    most: int,
    display: Display,
) -> Failures:
    """Submit runs whose dependencies are finished, ``most`` at a time, until none is left."""
    running: dict[Any, Run] = {}
    elsewhere: list[Run] = []
    failures: Failures = {}
    shown: dict[str, int] = {}
    looked = time.monotonic()
    while pending or running or elsewhere:
        for run in ready_runs(pending, study_dir)[: most - len(running)]:
            pending.remove(run)
            running[submit(run)] = run
        for task in _wait(list(running)):
            run = running.pop(task)
            event, content = _result(task, run)
            if event == "busy":
                elsewhere.append(run)
            elif event == "failed":
                failures[run.name] = content
                display.failed(run.name, content)
            else:
                display.done(content)
        leave_out(pending, failures, display)
        if time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
            looked = time.monotonic()
            for run in running.values():
                _show_epoch(study_dir, run.name, shown, display)
            for run in elsewhere:
                if finished(study_dir, run):
                    display.done_elsewhere(run.name)
                else:
                    pending.append(run)
            elsewhere = []
    return failures


def _wait(tasks: list[Any]) -> list[Any]:
    """Tasks that have ended, after a while at most."""
    if not tasks:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        return []
    first = ray.wait(tasks, timeout=_SECONDS_BETWEEN_LOOKS)[0]
    return first and ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]


def _result(task: Any, run: Run) -> tuple[str, Any]:
    """What `attempt` returned, unless that ends the study."""
    try:
        event, content = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
        raise TransferError(
            f"{run.name} failed on the cluster: {reason.splitlines()[0].rstrip('.')}. "
            "The same command goes on from here."
        ) from error
    if event == "error":
        raise TransferError(content)
    return event, content


def _show_epoch(study_dir: Path, name: str, shown: dict[str, int], display: Display) -> None:
    """Show the newest epoch of a run, if its log has changed; it may not have begun."""
    with contextlib.suppress(OSError, TransferError, IndexError):
        changed = working(study_dir, "logs", f"{name}.csv").stat().st_mtime_ns
        if shown.get(name) != changed:
            shown[name] = changed
            display.epoch(name, read_log(study_dir, name).iloc[-1].to_dict())
