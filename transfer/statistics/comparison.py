"""Two networks of a study on the same test images, seed by seed."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.results import read_predictions, read_runs, read_test_labels, to_repeat
from transfer.runs import KINDS
from transfer.statistics.intervals import Comparison, Difference, non_inferior, paired_bootstrap

#: Test images in file order are resampled in blocks of this many neighbours. The file order is that
#: of time in everything imported or simulated here. Measured: the variance of a paired difference
#: is 1.1 to 1.4 times (a real tub) and 1.2 to 2.1 times (simulated drives) what independent frames
#: would give, and does not grow on average with longer blocks. On shuffled images it does no harm.
FRAMES_A_BLOCK = 20
_FEWEST_BLOCKS = 30

Key = tuple[str, int | None, str]  # kind, n, bn


def networks(runs: pd.DataFrame) -> list[tuple[Key, pd.DataFrame]]:
    """Runs by network; the rows of one are its seeds."""
    return [
        ((str(kind), None if pd.isna(n) else int(n), str(bn)), group)
        for (kind, n, bn), group in runs.groupby(["kind", "n", "bn"], sort=False, dropna=False)
    ]


def right_on_test_images(study_dir: str | Path, runs: pd.DataFrame) -> np.ndarray:
    """Which test images are classified correctly.

    Parameters
    ----------
    study_dir : path
    runs : pandas.DataFrame
        Rows of its ``runs.csv``.

    Returns
    -------
    bool (runs, images)

    Raises
    ------
    TransferError
        If predictions are missing or do not belong to these rows.
    """
    folder = Path(study_dir)
    labels = read_test_labels(folder)
    rows = []
    for run, accuracy in zip(runs["run"], runs["test_accuracy"], strict=True):
        probabilities = read_predictions(folder, str(run))
        if len(probabilities) != len(labels):
            raise TransferError(
                f"Expected {len(labels)} predictions of {run} in {folder}. "
                f"Received: {len(probabilities)}."
            )
        right = probabilities.argmax(1) == labels
        if abs(right.mean() - accuracy) > 1e-5:  # six digits are written
            raise TransferError(
                f"The predictions of {run} in {folder} have the accuracy {right.mean():.4f}, "
                f"runs.csv says {accuracy:.4f}. {to_repeat(folder, str(run))}"
            )
        rows.append(right)
    return np.array(rows)


def blocks_of_neighbours(images: int) -> np.ndarray:
    """Numbers of blocks of neighbouring images; shorter ones where the test set is small."""
    return np.arange(images) // max(1, min(FRAMES_A_BLOCK, images // _FEWEST_BLOCKS))


def paired(
    study_dir: str | Path, a: pd.DataFrame, b: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray] | None:
    """`right_on_test_images` of two networks for the seeds both have; None if there is none."""
    seeds = sorted(set(a["seed"]) & set(b["seed"]))
    if not seeds:
        return None
    first, second = (
        right_on_test_images(study_dir, rows.drop_duplicates("seed").set_index("seed").loc[seeds])
        for rows in (a, b)
    )
    return first, second


def difference(study_dir: str | Path, a: pd.DataFrame, b: pd.DataFrame) -> Difference | None:
    """Accuracy of A minus that of B, two-sided 95 %; None if they share no seed."""
    both = paired(study_dir, a, b)
    return both and paired_bootstrap(*both, blocks=blocks_of_neighbours(both[0].shape[1]))


def compare_with_base(
    study_dir: str | Path, margin: float = 0.01, kinds: Collection[str] = KINDS
) -> dict[Key, Comparison]:
    """Every network of these kinds, trained on all images, tested for non-inferiority to baseB.

    Seed by seed, on the same test images.

    Returns
    -------
    dict from (kind, n or None, bn) to Comparison, in the order of ``runs.csv``
        Networks that share no seed with baseB are left out.

    Raises
    ------
    TransferError
        If the folder holds no study, or its predictions do not belong to its ``runs.csv``.
    """
    folder = Path(study_dir)
    runs = read_runs(folder)
    runs = runs[runs["fraction"] == 1.0]
    base = runs[runs["kind"] == "baseB"]
    found: dict[Key, Comparison] = {}
    for key, group in networks(runs[runs["kind"].isin(set(kinds) - {"baseB"})]):
        both = paired(folder, group, base)
        if both:
            blocks = blocks_of_neighbours(both[0].shape[1])
            found[key] = non_inferior(*both, margin=margin, blocks=blocks)
    return found
