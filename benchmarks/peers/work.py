"""What every peer is given, and how it is timed. No library but numpy."""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

BATCH = 64
IMAGES = 32 * BATCH
SIZE = (48, 80)
CLASSES = 3
EPOCHS = 3  # of each network with frozen blocks


def arguments() -> tuple[float, int, float]:
    """Alpha, threads and seconds from the command line; threads are set for every library."""
    alpha, threads, seconds = float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return alpha, threads, seconds


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """uint8 (2048, 45, 80, 3) and int64 (2048,), random."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 45, 80, 3), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, IMAGES)


def report(epoch: Callable[[], None], seconds: float, parameters: int) -> None:
    """Run ``epoch`` (all images once) until ``seconds`` have passed; print the median rate."""
    epoch()  # tracing, memory, caches
    epochs: list[float] = []
    began = time.perf_counter()
    while not epochs or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        epoch()
        epochs.append(time.perf_counter() - start)
    report_epochs(epochs, parameters)


def report_epochs(seconds: list[float], parameters: int) -> None:
    """Print the median rate of epochs that took ``seconds``."""
    rate = IMAGES / float(np.median(seconds))
    print(json.dumps({"images_per_second": rate, "parameters": parameters}))


def report_frozen(seconds: list[float]) -> None:
    """Print the rate of networks trained one after another, `EPOCHS` epochs each, all together."""
    images = len(seconds) * EPOCHS * IMAGES
    print(json.dumps({"images_per_second": images / sum(seconds), "seconds": seconds}))
