"""Which images, in which order: a pure function of (seed, epoch)."""

from collections.abc import Iterator

import numpy as np


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of 0..count-1, int64, the same wherever (seed, epoch, count) is the same."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    images: np.ndarray, labels: np.ndarray, indices: np.ndarray, batch: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of one epoch: uint8 (batch, H, W, 3) and int32 (batch,).

    An incomplete last batch is left out: BatchNorm on a handful of images is noise, and which
    images are left out changes from epoch to epoch.
    """
    order = indices[epoch_order(seed, epoch, len(indices))]
    for start in range(0, len(order) - batch + 1, batch):
        chosen = np.sort(order[start : start + batch])  # ascending: kinder to a memory map
        yield images[chosen], labels[chosen].astype(np.int32)
