"""Intervals and tests for accuracies of networks that saw the same test images.

Two things vary: the test images (another drive would give other frames) and the seed (another
start would give another network). Images are resampled. Seeds, of which there are two to five, are
too few to resample: a bootstrap of three values is far too narrow, so they enter by Student's t.
With one seed only the images are accounted for, and every result says so through ``seeds``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from transfer.errors import TransferError

_WEIGHTS_AT_ONCE = 1 << 21  # bounds the memory of a bootstrap to some 16 MB
_MOST_SEEDS = 1000


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927): (low, high), within 0..1.

    Raises
    ------
    TransferError
        Unless ``0 <= successes <= trials`` and ``trials >= 1``.
    """
    if not (trials >= 1 and 0 <= successes <= trials):
        raise TransferError(f"Expected 0 <= successes <= trials. Received: {successes}, {trials}.")
    z2 = _normal_quantile(0.5 + _checked(level) / 2) ** 2
    p = successes / trials
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (p * (1 - p) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    return (
        0.0 if successes == 0 else centre - half,
        1.0 if successes == trials else centre + half,
    )


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
    quantile = float(stats.t.ppf(0.5 + _checked(level) / 2, len(array) - 1))
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


def mcnemar_exact(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Two-sided p of McNemar's exact test: do two networks err on the same number of images?

    ``correct_a``, ``correct_b``: bool (images,). Only images on which exactly one of them is right
    count (McNemar 1947). Images are taken as independent: for neighbouring frames p is too small.
    """
    a, b = _pair(correct_a, correct_b)
    if len(a) != 1:
        raise TransferError(f"McNemar's test compares one pair of runs. Received: {len(a)} pairs.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


@dataclass(frozen=True)
class Difference:
    """Accuracy of A minus accuracy of B, in 0..1 units, with a two-sided interval.

    Attributes
    ----------
    estimate, low, high, level : float
    se_images : float
        Standard error from the choice of test images, correlation within blocks included.
    sd_seeds : float
        Standard deviation over seeds of the difference on these images; NaN for one seed.
    images, seeds : int
    """

    estimate: float
    low: float
    high: float
    level: float
    se_images: float
    sd_seeds: float
    images: int
    seeds: int


def paired_bootstrap(
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    *,
    blocks: np.ndarray | None = None,
    draws: int = 4000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Difference of accuracy of two networks on the same images, run s of A against run s of B.

    Blocks of images are resampled with replacement, for all seeds alike (Efron and Tibshirani
    1993, ch. 8); to every draw a Student's t of ``seeds - 1`` degrees of freedom, scaled by the
    standard error over seeds, is added. The interaction of seeds and images is thereby counted
    twice: wide rather than narrow. Simulated, a 90 % interval covers 88 % (one seed) to 99 % (two).

    Parameters
    ----------
    correct_a, correct_b : bool (seeds, images) or (images,)
    blocks : int (images,) or None
        Images with the same number are resampled together; None: every image by itself, too
        narrow where neighbouring frames are alike.
    draws : int
        1000 or more.
    seed : int
        Of the resampling; the same seed gives the same interval.
    level : float
        In (0, 1).

    Raises
    ------
    TransferError
        If shapes differ, or fewer than two blocks are left to resample.
    """
    a, b = _pair(correct_a, correct_b)
    if draws < 1000:
        raise TransferError(f"Expected 1000 draws or more. Received: {draws}.")
    tails = [0.5 - _checked(level) / 2, 0.5 + level / 2]
    difference = a.astype(np.int64) - b  # (seeds, images) of -1, 0, 1
    seeds, images = difference.shape
    estimate = float(difference.mean())
    rng = np.random.default_rng(seed)
    deviations = _image_deviations(difference.mean(0), estimate, blocks, draws, rng)
    se_images = float(deviations.std())
    sd_seeds = math.nan
    if seeds > 1:
        sd_seeds = float(difference.mean(1).std(ddof=1))
        deviations = deviations + sd_seeds / math.sqrt(seeds) * rng.standard_t(seeds - 1, draws)
    low, high = estimate + np.quantile(deviations, tails)
    return Difference(estimate, float(low), float(high), level, se_images, sd_seeds, images, seeds)


def _image_deviations(
    per_image: np.ndarray,
    estimate: float,
    blocks: np.ndarray | None,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """How far the mean moves when blocks of images are drawn anew, float64 (draws,)."""
    numbers = np.arange(len(per_image)) if blocks is None else np.asarray(blocks)
    if numbers.shape != per_image.shape:
        raise TransferError(
            f"Expected a block number for each of {len(per_image)} images. "
            f"Received: shape {numbers.shape}."
        )
    _, numbers = np.unique(numbers, return_inverse=True)
    sizes = np.bincount(numbers).astype(float)
    sums = np.bincount(numbers, per_image)
    count = len(sizes)
    if count < 2:
        raise TransferError(f"Expected two or more blocks of images. Received: {count}.")
    means = []
    at_once = max(1, _WEIGHTS_AT_ONCE // count)
    for begin in range(0, draws, at_once):
        weights = rng.multinomial(count, np.full(count, 1 / count), min(at_once, draws - begin))
        means.append(weights @ sums / (weights @ sizes))
    # Resampling `count` values understates their variance by (count - 1) / count.
    return (np.concatenate(means) - estimate) * math.sqrt(count / (count - 1))


@dataclass(frozen=True)
class Comparison:
    """Is A no worse than B by more than ``margin``? Bounds are one-sided, each at ``level``."""

    difference: Difference
    margin: float
    level: float

    @property
    def outcome(self) -> str:
        """``non-inferior``, ``inferior``, or ``undecided`` where the data allow both."""
        if self.difference.low > -self.margin:
            return "non-inferior"
        return "inferior" if self.difference.high < -self.margin else "undecided"


def non_inferior(
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    *,
    margin: float = 0.01,
    level: float = 0.95,
    blocks: np.ndarray | None = None,
    draws: int = 4000,
    seed: int = 0,
) -> Comparison:
    """Test A for non-inferiority to B; ``margin`` in units of accuracy, other arguments as above.

    One-sided at ``level``: the bounds are those of a two-sided interval at ``2 level - 1``.
    """
    if not 0 < margin < 1 or not 0.5 < level < 1:
        raise TransferError(
            f"Expected a margin in (0, 1), a level in (0.5, 1). Received: {margin}, {level}."
        )
    difference = paired_bootstrap(
        correct_a, correct_b, blocks=blocks, draws=draws, seed=seed, level=2 * level - 1
    )
    return Comparison(difference, margin, level)


def images_needed(
    distance: float, sd: float, level: float = 0.95, power: float = 0.8
) -> int | None:
    """Test images at which a one-sided z test decides with probability ``power``.

    ``((z_level + z_power) sd / distance)^2``, rounded up; None if ``distance <= 0``: never.
    ``sd`` is that of one image, ``se_images * sqrt(images)`` where frames are correlated.
    """
    if distance <= 0:
        return None
    z = _normal_quantile(_checked(level)) + _normal_quantile(_checked(power))
    return max(2, math.ceil((z * sd / distance) ** 2))


def seeds_needed(distance: float, sd: float, level: float = 0.95, power: float = 0.8) -> int | None:
    """Seeds at which a one-sided t test decides with probability ``power``, 2 or more.

    By the noncentral t distribution; None if ``distance <= 0`` or a thousand are not enough.
    """
    if distance <= 0:
        return None
    if sd == 0:
        return 2
    seeds = np.arange(2, _MOST_SEEDS + 1)
    critical = stats.t.ppf(_checked(level), seeds - 1)
    reached = stats.nct.sf(critical, seeds - 1, distance / sd * np.sqrt(seeds)) >= _checked(power)
    return int(seeds[reached.argmax()]) if reached.any() else None


def needed_to_decide(comparison: Comparison, power: float = 0.8) -> tuple[int | None, int | None]:
    """(test images, seeds) that would decide if the true difference is the one seen.

    Images with the seeds there are, seeds with the images there are. None: no number would do, or
    (seeds, with one seed) how seeds vary is not known.
    """
    seen, level = comparison.difference, comparison.level
    distance = abs(seen.estimate + comparison.margin)
    by_seeds = 0.0
    seeds = None
    if seen.seeds > 1:
        quantile = float(stats.t.ppf(level, seen.seeds - 1))
        by_seeds = quantile * seen.sd_seeds / math.sqrt(seen.seeds)
        by_images = _normal_quantile(level) * seen.se_images
        seeds = seeds_needed(distance - by_images, seen.sd_seeds, level, power)
    sd_image = seen.se_images * math.sqrt(seen.images)
    return images_needed(distance - by_seeds, sd_image, level, power), seeds


def _pair(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.atleast_2d(np.asarray(correct)) for correct in (correct_a, correct_b))
    if a.shape != b.shape or a.ndim != 2 or a.size == 0 or a.dtype != bool or b.dtype != bool:
        raise TransferError(
            "Expected two bool arrays (seeds, images) of one shape. "
            f"Received: {a.dtype} {a.shape} and {b.dtype} {b.shape}."
        )
    return a, b


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise TransferError(f"Expected a level in (0, 1). Received: {level}.")
    return level


def _normal_quantile(p: float) -> float:
    return float(stats.norm.ppf(p))
