"""Intervals over seeds alone, for what is measured in few numbers and not image by image."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from transfer.errors import TransferError


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


def interval(group: pd.DataFrame) -> tuple[float, float]:
    """95 % interval of the test accuracy of one network: (low, high).

    Several seeds: Student's t over seeds. One seed: Wilson's interval over the test images, which
    knows nothing of how another seed would differ. Published points: both bounds NaN.
    """
    if len(group) == 1:
        return float(group["test_low"].iloc[0]), float(group["test_high"].iloc[0])
    return t_interval(group["test_accuracy"].to_numpy(float))[1:]
