"""Split a drive by time: stretches of driving, with a gap between the splits."""

from itertools import product

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.dataset import CLASSES

Ratios = tuple[float, float, float]  #: shares of train, valid and test
RATIOS: Ratios = (0.8, 0.1, 0.1)
_MAX_PAUSE = 0.2  # seconds between frames; more is a pause, at which the clock stands still


def driving_clock(seconds: np.ndarray, sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of driving, float64 (N,), and whether a pause lies before a frame, bool (N,).

    The clock stands still in a pause: the car does not move, so a pause separates no frames.
    """
    steps = np.diff(seconds)
    pause = (steps < 0) | (steps > _MAX_PAUSE) | (np.diff(sessions) != 0)
    clock = np.concatenate([[0.0], np.cumsum(np.where(pause, 0.0, steps))])
    return clock, np.concatenate([[False], pause])


def split_by_stretches(
    clock: np.ndarray,
    labels: np.ndarray,
    stretch_seconds: float,
    gap_seconds: float,
    ratios: Ratios = RATIOS,
) -> np.ndarray:
    """Assign frames to train (0), valid (1), test (2) or none (-1: too close to another split).

    The clock is cut into stretches of equal length. Of every ten (or twenty) stretches the same are
    valid and test. Of all ways to choose them the one is taken whose class shares deviate least
    from the drive's.
    """
    parts = 10 if np.allclose(np.multiply(ratios, 10) % 1, 0) else 20
    sizes = [max(1, round(ratio * parts)) for ratio in ratios[1:]]
    place = (clock // stretch_seconds).astype(np.int64) % parts
    classes = np.unique(labels)
    shares = np.array([(labels == label).mean() for label in classes])
    best, least = None, np.inf
    for starts in product(range(parts), repeat=2):
        split_of = np.zeros(parts, np.int64)
        for number, start, size in zip((1, 2), starts, sizes, strict=True):
            split_of[(start + np.arange(size)) % parts] += number
        if np.bincount(split_of, minlength=3)[1:].tolist() != sizes:
            continue  # valid and test overlap
        split = _keep_apart(clock, split_of[place], gap_seconds)
        counts = np.array([[(labels[split == s] == c).sum() for c in classes] for s in range(3)])
        if counts.min() == 0:
            continue
        deviation = np.abs(counts[1:] / counts[1:].sum(axis=1, keepdims=True) - shares).max()
        if deviation < least:
            best, least = split, deviation
    if best is None or len(classes) < len(CLASSES):
        raise TransferError(
            f"Expected frames of {', '.join(CLASSES)} in train, valid and test. Received: "
            f"{clock[-1]:.0f} s of driving, too short or too one-sided to be split into stretches "
            f"of {stretch_seconds:g} s."
        )
    return best


def _keep_apart(clock: np.ndarray, split: np.ndarray, gap_seconds: float) -> np.ndarray:
    """Drop train frames near valid or test, and valid frames near test."""
    kept = split.copy()
    for number in (1, 0):
        kept[(split == number) & (_distance(clock, clock[split > number]) < gap_seconds)] = -1
    return kept


def _distance(clock: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Seconds from each time to the nearest of ``others`` (sorted)."""
    fenced = np.concatenate([[-np.inf], others, [np.inf]])
    after = np.searchsorted(fenced, clock)
    return np.minimum(fenced[after] - clock, clock - fenced[after - 1])
