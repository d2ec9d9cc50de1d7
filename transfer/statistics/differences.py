"""Differences of accuracy between networks: estimate, variance, degrees of freedom.

Two things vary: the test images (another drive would give other frames) and the seed (another
start would give another network). The variance of a mean over S runs is that over images plus that
over seeds. Each run also errs on images of its own: this interaction is in both parts, and is
subtracted once. Degrees of freedom are Satterthwaite's (1946). Nothing is drawn at random.

More seeds or more test images can decide a claim that is undecided: `seeds_to_decide` and
`images_to_decide` say how many.
"""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from scipy import stats

from transfer.statistics.accuracies import Accuracies
from transfer.statistics.seeds import SeedVariance

_MOST_SEEDS = 50
_MOST_TIMES = 20
Values = Any  # float of one pair, or float64 (pairs,)


@dataclass(frozen=True)
class Difference:
    """Accuracy of A minus accuracy of B, 0..1 units: one, or several in arrays of one shape.

    ``estimate`` minus the truth, over its standard error, follows Student's t.
    """

    estimate: Values
    variance: Values
    df: Values  #: degrees of freedom of the variance
    by_images: Values  #: part of ``variance`` that more test images would lower
    #: the rest, which more seeds would lower. 0 where no network of the study has two runs.
    by_seeds: Values
    interaction: Values  #: part of ``by_images`` that more seeds would lower, too
    seeds: Values  #: int: runs of A
    seeds_of_b: Values  #: int: runs of B; 0 without B
    by_seeds_of_b: Values  #: part of ``by_seeds`` that is B's
    interaction_of_b: Values  #: part of ``interaction`` that is B's

    @property
    def fewest_seeds(self) -> Values:
        """Runs of A or B, whichever has fewer."""
        return np.where(self.seeds_of_b, np.minimum(self.seeds, self.seeds_of_b), self.seeds)

    def __getitem__(self, place: int) -> "Difference":
        return Difference(*(value[place].item() for value in astuple(self)))

    def interval(self, level: float = 0.95) -> tuple[Values, Values]:
        """Two-sided interval: (low, high). Its ends are one-sided bounds at ``(1 + level) / 2``."""
        half = stats.t.ppf(0.5 + level / 2, self.df) * np.sqrt(self.variance)
        return self.estimate - half, self.estimate + half

    def probability_above(self, value: float) -> Values:
        """Probability, given the data, that the true difference is above ``value``.

        One minus this is the p-value of the test that it is not above. It is a probability in the
        sense of Bayes if nothing was known of the difference before.
        """
        distance = np.asarray(self.estimate) - value
        scale = np.maximum(np.sqrt(self.variance), 1e-12)  # 0: all runs right on the same images
        return stats.t.cdf(distance / scale, self.df)


def difference(
    accuracies: Accuracies, spread: SeedVariance, a: int | np.ndarray, b: int | np.ndarray | None
) -> Difference:
    """Mean accuracy of networks ``a`` minus that of networks ``b``; runs are not paired.

    ``a``, ``b``: positions, int or int (pairs,). ``b`` None: accuracies by themselves.
    """
    influence = accuracies.sums[a]
    estimate, seeds = accuracies.mean[a], accuracies.seeds[a]
    net, gross, twice = _over_seeds(accuracies, spread)
    by_seeds, interaction, total = net[a], twice[a], gross[a]
    df = np.maximum(spread.df, 1)
    squares = total**2 / df[a]
    of_b = [np.zeros_like(seeds), np.zeros_like(by_seeds), np.zeros_like(by_seeds)]
    if b is not None:
        zero = np.zeros_like(seeds)
        of_b = [accuracies.seeds[b] + zero, net[b] + zero, twice[b] + zero]
        influence = influence - accuracies.sums[b]
        estimate = estimate - accuracies.mean[b]
        by_seeds, interaction, total = by_seeds + net[b], interaction + twice[b], total + gross[b]
        squares = squares + gross[b] ** 2 / df[b]
        # A shared variance is known no better for being used twice.
        both = spread.pooled[a] & spread.pooled[b]
        squares = np.where(both, total**2 / np.minimum(df[a], df[b]), squares)
    by_images, images_df = cluster_variance(influence)
    variance = by_images + by_seeds
    squares = squares + by_images**2 / images_df
    satterthwaite = np.where(
        squares > 0, variance**2 / np.where(squares > 0, squares, 1), images_df
    )
    return Difference(
        estimate,
        variance,
        satterthwaite,
        by_images,
        by_seeds,
        np.minimum(interaction, by_images),
        seeds,
        of_b[0],
        of_b[1],
        np.minimum(of_b[2], by_images),
    )


def correlation(
    accuracies: Accuracies, spread: SeedVariance, a: np.ndarray, b: int | None
) -> np.ndarray:
    """Correlation of the differences of networks ``a`` from one network, (pairs, pairs).

    They share test images and the runs of ``b``; ``b`` None: accuracies by themselves.
    """
    net, _, _ = _over_seeds(accuracies, spread)
    influence, shared = accuracies.sums[a], 0.0
    if b is not None:
        influence, shared = influence - accuracies.sums[b], net[b]
    covariance = influence @ influence.T + shared + np.diag(net[a])
    scale = np.maximum(np.sqrt(np.diag(covariance)), 1e-12)
    return covariance / np.outer(scale, scale)


def cluster_variance(influence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a mean over clusters, and its degrees of freedom.

    The variance is the sum of squares. With G clusters there are ``2 (G - 1) / (kurtosis - 1)``
    degrees of freedom, at most G - 1: fewer where few clusters hold most of the variance, as those
    of a rare class do.
    """
    clusters = influence.shape[-1]
    squares = (influence**2).sum(-1)
    fourths = (influence**4).sum(-1)
    kurtosis = clusters * fourths / np.where(squares > 0, squares, 1) ** 2
    df = 2 * (clusters - 1) / np.maximum(kurtosis - 1, 2)
    return squares, df


def _over_seeds(
    accuracies: Accuracies, spread: SeedVariance
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance of each mean over seeds: without the interaction, with it, and the interaction."""
    if not spread.known:
        nothing = np.zeros(len(accuracies.seeds))
        return nothing, nothing, nothing
    own = accuracies.interaction
    interaction = np.where(np.isnan(own), np.nanmean(own), own) / accuracies.seeds
    gross = spread.variance / accuracies.seeds
    return np.maximum(gross - interaction, 0), gross, interaction


def seeds_to_decide(
    seen: Difference, value: float, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Seeds of both networks at which a one-sided test decides, if the truth is what was seen.

    More seeds lower the variance over seeds and the interaction, not that over test images. A
    network that has more seeds already keeps them. ``value``: what the difference is compared with:
    minus the margin. None if fifty are not enough.
    """
    counts = np.arange(int(seen.fewest_seeds) + 1, _MOST_SEEDS + 1)
    left, left_of_b = (now / np.maximum(counts, now or 1) for now in (seen.seeds, seen.seeds_of_b))
    of_a = seen.by_seeds - seen.by_seeds_of_b, seen.interaction - seen.interaction_of_b
    variances = seen.by_images + of_a[0] * left - of_a[1] * (1 - left)
    variances += seen.by_seeds_of_b * left_of_b - seen.interaction_of_b * (1 - left_of_b)
    enough = _decides(seen, value, variances, level, power)
    return int(counts[enough.argmax()]) if enough.any() else None


def images_to_decide(
    seen: Difference, value: float, level: float = 0.05, power: float = 0.8
) -> float | None:
    """Test images at which a one-sided test decides, in times the present number (one digit).

    Arguments as for `seeds_to_decide`; None if twenty times as many images are not enough.
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
