"""Intervals of mean accuracies, and intervals over seeds alone for what is measured otherwise."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from transfer.errors import TransferError
from transfer.results import has_predictions
from transfer.statistics.comparison import networks, read_tested


def with_intervals(study_dir: str | Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with ``low`` and ``high``: the 95 % interval of their network's mean balanced accuracy.

    NaN for the runs on a share of the training images, if predictions of one of them are missing.
    """
    runs = runs.assign(low=np.nan, high=np.nan)
    for fraction in runs["fraction"].unique():
        of_fraction = runs[runs["fraction"] == fraction]
        if not predicted(study_dir, of_fraction):
            continue
        seen = read_tested(study_dir, fraction=fraction).means
        for key, group in networks(of_fraction):
            runs.loc[group.index, ["low", "high"]] = seen[key].interval()
    return runs


def predicted(study_dir: str | Path, runs: pd.DataFrame) -> bool:
    """Whether the study has kept test probabilities of all these runs."""
    return all(has_predictions(study_dir, str(run)) for run in runs["run"])


def t_interval(
    values: Sequence[float] | np.ndarray, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean over seeds and its interval by Student's t: (mean, low, high).

    One value has a mean but no interval: both bounds are NaN, never zero width.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0:
        raise TransferError(f"Expected one or more values. Received: shape {array.shape}.")
    mean = float(array.mean())
    if len(array) == 1:
        return mean, math.nan, math.nan
    quantile = float(stats.t.ppf(0.5 + level / 2, len(array) - 1))
    half = quantile * float(array.std(ddof=1)) / math.sqrt(len(array))
    return mean, mean - half, mean + half
