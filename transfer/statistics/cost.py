"""What would decide a claim that is undecided: more seeds, or more test images."""

import numpy as np
from scipy import stats

from transfer.statistics.differences import Difference

_MOST_SEEDS = 50
_MOST_TIMES = 20


def seeds_to_decide(
    seen: Difference, value: float, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Seeds of both networks at which a one-sided test decides, if the truth is what was seen.

    More seeds lower the variance over seeds and the interaction, not that over test images.

    ``seen``: one difference.
    ``value``: what the difference is compared with: minus the margin.
    ``level``, ``power``: of the test that is to decide.
    Returns a number of seeds larger than the present one; None if fifty are not enough.
    """
    counts = np.arange(seen.seeds + 1, _MOST_SEEDS + 1)
    left = seen.seeds / counts
    variances = seen.by_images - seen.interaction * (1 - left) + seen.by_seeds * left
    enough = _decides(seen, value, variances, level, power)
    return int(counts[enough.argmax()]) if enough.any() else None


def images_to_decide(
    seen: Difference, value: float, level: float = 0.05, power: float = 0.8
) -> float | None:
    """Test images at which a one-sided test decides, in times the present number.

    Arguments as for `seeds_to_decide`. The result has one digit after the point; it is None if
    twenty times as many images are not enough.
    """
    times = np.arange(11, 10 * _MOST_TIMES + 1) / 10
    variances = seen.by_images / times + seen.by_seeds
    enough = _decides(seen, value, variances, level, power)
    return float(times[enough.argmax()]) if enough.any() else None


def _decides(
    seen: Difference, value: float, variances: np.ndarray, level: float, power: float
) -> np.ndarray:
    scores = stats.t.isf(level, seen.df) + stats.t.ppf(power, seen.df)
    return abs(seen.estimate - value) >= scores * np.sqrt(variances)
