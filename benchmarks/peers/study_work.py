"""What the peers that train networks of a study are given. No library but numpy."""

import os
import sys
from pathlib import Path

import numpy as np

BATCH = 64  # the reference protocol
EPOCHS = 15


def arguments() -> tuple[Path, Path, int, list[tuple[str, int]]]:
    """Data, baseA, threads and networks such as ``baseB:0,AnB:7`` from the command line."""
    data, base_a, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    pairs = [network.split(":") for network in sys.argv[4].split(",")]
    return data, base_a, threads, [(kind, int(n)) for kind, n in pairs]


def split(data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, 45, 80, 3) and int64 (N,) of one split of a data set."""
    images = np.load(data / f"{name}_data.npy")
    labels = np.load(data / f"{name}_labels.npy").astype(np.int64).ravel()
    return images.reshape(len(images), 45, 80, 3), labels
