"""Measured accuracy against n, and what it might have been with other images and other seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.results import read_runs
from transfer.statistics.comparison import blocks_of_neighbours, right_on_test_images

#: Kinds whose accuracy scores are compared with; AnB with BatchNorm semantics ``inference``.
MEASURED_KINDS = ("AnB", "AnB+", "sliced")


@dataclass(frozen=True, eq=False)
class Measured:
    """Test accuracy of one kind of network at every n that was run, n = 1 and above.

    Attributes
    ----------
    kind : str
    n : int (k,)
        In rising order.
    mean : float (k,)
        Mean over seeds, 0..1.
    drawn : float (draws, k)
        Means with other test images and other seeds; see `measured`.
    seeds : int
        The fewest of any n. With one, ``drawn`` knows of other images only.
    """

    kind: str
    n: np.ndarray
    mean: np.ndarray
    drawn: np.ndarray
    seeds: int


def measured(
    study_dir: str | Path,
    kinds: Sequence[str] = MEASURED_KINDS,
    draws: int = 2000,
    seed: int = 0,
) -> list[Measured]:
    """Accuracies of a study's networks that were trained on all images.

    A draw resamples the test images with replacement, in blocks of neighbours and the same ones
    for every n, because all networks saw the same images. Seeds, of which there are three to five,
    are too few to resample: as in `transfer.statistics.intervals`, each n is moved by a Student's t
    of ``seeds - 1`` degrees of freedom, scaled by its standard error over seeds.

    Parameters
    ----------
    study_dir : path
        With ``runs.csv`` and ``predictions/``.
    kinds : names of kinds
        Those that were not run are left out.
    draws, seed : int, int
        The same seed gives the same draws.

    Raises
    ------
    TransferError
        If the folder holds no study, or its predictions do not belong to its ``runs.csv``.
    """
    runs = read_runs(study_dir)
    runs = runs[(runs["fraction"] == 1.0) & runs["bn"].isin(["", "inference"]) & (runs["n"] > 0)]
    found = []
    for kind in kinds:
        of_kind = runs[runs["kind"] == kind]
        if not of_kind.empty:
            found.append(_of_kind(Path(study_dir), kind, of_kind, draws, seed))
    return found


def _of_kind(folder: Path, kind: str, runs: pd.DataFrame, draws: int, seed: int) -> Measured:
    n, right = [], []  # of every n: bool (seeds, images)
    for value, group in runs.groupby("n"):
        n.append(int(value))
        right.append(right_on_test_images(folder, group))
    rng = np.random.default_rng(seed)
    drawn = _other_images(np.stack([of_n.mean(0) for of_n in right], axis=1), draws, rng)
    for place, of_n in enumerate(right):
        seeds = len(of_n)
        if seeds > 1:
            error = of_n.mean(1).std(ddof=1) / math.sqrt(seeds)
            drawn[:, place] += error * rng.standard_t(seeds - 1, draws)
    mean = np.array([of_n.mean() for of_n in right])
    return Measured(kind, np.array(n), mean, drawn, min(map(len, right)))


def _other_images(right: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Accuracy of every n on resampled blocks of images: (images, k) gives (draws, k)."""
    numbers = blocks_of_neighbours(len(right))
    sizes = np.bincount(numbers)
    count = len(sizes)
    if count < 2:
        raise TransferError(f"Expected two or more blocks of test images. Received: {count}.")
    sums = np.stack([np.bincount(numbers, column) for column in right.T], axis=1)  # (blocks, k)
    weights = rng.multinomial(count, np.full(count, 1 / count), draws)
    drawn = (weights @ sums) / (weights @ sizes)[:, None]
    mean = right.mean(0)
    # Resampling `count` values understates their variance by (count - 1) / count.
    return np.asarray(mean + (drawn - mean) * math.sqrt(count / (count - 1)))
