"""Choose images of a data set by class: balanced, or a share of every class; all of it seeded."""

import numpy as np

from transfer.errors import TransferError


def equals(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices that leave every class as large as the smallest: int64 (M,), rising."""
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    return _sorted([indices[:smallest] for indices in shuffled_classes(labels, seed)])


def stratified_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Indices of a share of every class, at least one image each: int64 (M,), rising.

    Nested: for one seed, the indices of a smaller fraction are among those of a larger one.
    """
    if not 0 < fraction <= 1:
        raise TransferError(f"Expected a fraction in (0, 1]. Received: {fraction}.")
    classes = shuffled_classes(labels, seed)
    return _sorted([indices[: max(1, round(fraction * len(indices)))] for indices in classes])


def shuffled_classes(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The indices of each class in an order that is a function of (seed, class)."""
    return [
        np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels == label))
        for label in np.unique(labels)
    ]


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate(parts)).astype(np.int64)
