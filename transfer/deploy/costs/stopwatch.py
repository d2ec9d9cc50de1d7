"""Latency, throughput and peak memory of an exported file, in a process of its own.

The process imports numpy and the runtime of the file and nothing else that is heavy.
"""

import dataclasses
import json
import os
import subprocess
import sys
import timeit
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.deploy.export.runtimes import PACKAGES, format_of, open_exported, require
from transfer.errors import TransferError
from transfer.progress import quietly

CALLS = 200  #: the fewest for a 95th percentile
_WARM_UP_CALLS = 30
_BATCH = 64
_BATCHES = 9
_LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Timing:
    """How fast an exported file runs, and the memory it takes."""

    threads: int
    median_ms: float  #: latency of one frame, milliseconds
    p95_ms: float  #: 95th percentile
    images_per_second: float  #: in batches of 64, the median batch
    #: the most memory the process held while it opened the file and ran single frames; None where
    #: the system has no /proc
    peak_bytes: int | None
    network_bytes: int | None  #: ``peak_bytes`` less what the process held before


def time_file(path: str | Path, threads: int, calls: int = CALLS) -> Timing:
    """Measure an exported file in a new process."""
    module = "transfer.deploy.costs.stopwatch"
    command = [sys.executable, "-m", module, str(path), str(threads), str(calls)]
    paths = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise TransferError(f"{path} was not measured within {_LIMIT_SECONDS} s.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise TransferError(f"Cannot measure {path}: {lines[-1].removeprefix('error: ')}")
    return Timing(**json.loads(done.stdout))


def _measure(path: Path, threads: int, calls: int) -> Timing:
    """Measure in this process, which must be new for its memory to be that of the network."""
    kind = format_of(path)
    if kind == "keras":
        _limit_tensorflow(threads)
    for package in PACKAGES[kind][:1]:
        require(package)
    before = _forget_peak()
    opened = open_exported(path, threads)
    rng = np.random.default_rng(0)
    height, width = opened.metadata["image_size"]
    frame = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)  # any frame takes as long
    timeit.timeit(lambda: opened.predict(frame), number=_WARM_UP_CALLS)
    seconds = timeit.repeat(lambda: opened.predict(frame), number=1, repeat=calls)
    peak = _memory("VmHWM")
    frames = np.repeat(frame, _BATCH, axis=0)
    opened.predict(frames)
    batches = timeit.repeat(lambda: opened.predict(frames), number=1, repeat=_BATCHES)
    return Timing(
        threads,
        round(1e3 * float(np.median(seconds)), 4),
        round(1e3 * float(np.percentile(seconds, 95)), 4),
        round(_BATCH / float(np.median(batches)), 1),
        peak,
        None if peak is None or before is None else max(0, peak - before),
    )


def _limit_tensorflow(threads: int) -> None:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in training
    with quietly():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.zeros(1)


def _forget_peak() -> int | None:
    """What the process holds now, bytes; the peak starts anew from there. None if it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _memory("VmRSS")


def _memory(key: str) -> int | None:
    """A line of /proc/self/status in bytes. (`resource` would count the parent's peak too.)"""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    return int(values[0]) * 1024 if values else None


def _main() -> None:
    file, threads, calls = sys.argv[1:]
    try:
        timing = _measure(Path(file), int(threads), int(calls))
    except TransferError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(dataclasses.asdict(timing)))


if __name__ == "__main__":
    _main()
