"""How much accuracies vary over seeds: one variance for many networks where the data allow it.

Two or three runs tell little of the variance of one network. The networks of a study are much
alike, so that their variances are pooled: thirteen networks with three seeds give 26 degrees of
freedom in place of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from transfer.errors import TransferError

_LEVEL = 0.05


@dataclass(frozen=True)
class SeedVariance:
    """Variance over seeds of the accuracy of one run, of several networks."""

    #: float64 (networks,), NaN if no network has two runs: how seeds vary is not known
    variance: np.ndarray
    df: np.ndarray  #: float64 (networks,): degrees of freedom of ``variance``
    #: bool (networks,): the variance is that of other networks, too. Otherwise it is its own.
    pooled: np.ndarray

    @property
    def known(self) -> bool:
        """Whether any network has two runs."""
        return bool(np.isfinite(self.variance).all())


def seed_variance(by_seed: Sequence[np.ndarray]) -> SeedVariance:
    """The variance over seeds of each of several networks.

    Variances are pooled if Bartlett's test (1937) does not reject at 5 % that they are equal. If it
    does, the noisiest networks are set apart, one after the other, until it no longer rejects; each
    of these keeps its own variance.

    No network gets less than its own variance. With two or three runs the test misses a network
    that is twice as noisy as the rest, and a claim about just that network would be false too often
    (``benchmarks/verdicts.py``). A network with one run gets the mean of all variances, those set
    apart included. A network whose runs all have one accuracy, because they
    always answer the same class, tells nothing about the others and is left out of the pool.

    ``by_seed``: float64 (seeds,) for each network, accuracies of its runs.
    """
    df = np.array([len(values) - 1.0 for values in by_seed])
    own = np.array([values.var(ddof=1) if len(values) > 1 else np.nan for values in by_seed])
    if not (df > 0).any():
        return SeedVariance(own, df, np.ones(len(df), bool))
    usable = np.flatnonzero(own > 0) if (own > 0).any() else np.flatnonzero(df > 0)
    pool = usable[np.argsort(own[usable], kind="stable")]
    while len(pool) > 1 and bartlett(own[pool], df[pool]) < _LEVEL:
        pool = pool[:-1]
    common, common_df = np.average(own[pool], weights=df[pool]), df[pool].sum()
    mean = np.average(own[usable], weights=df[usable])
    square = np.average(own[usable] ** 2, weights=df[usable])
    mean_df = df[usable].sum() * (mean**2 / square if square > 0 else 1)
    pooled = np.isin(np.arange(len(df)), pool)
    constant = (own == 0) & ~pooled
    variance = np.where(pooled | constant, np.fmax(common, own), own)
    known_df = np.where(pooled | constant, common_df, df)
    return SeedVariance(
        np.where(df > 0, variance, mean),
        np.where(df > 0, known_df, mean_df),
        pooled | constant | (df == 0),
    )


def bartlett(variances: np.ndarray, df: np.ndarray) -> float:
    """p of Bartlett's test of equal variances, from the variances; 1 if all of them are 0."""
    if not variances.all():
        return float(not variances.any())
    total, groups = df.sum(), len(df)
    pooled = (df * variances).sum() / total
    statistic = total * np.log(pooled) - (df * np.log(variances)).sum()
    statistic /= 1 + ((1 / df).sum() - 1 / total) / (3 * (groups - 1))
    return float(stats.chi2.sf(statistic, groups - 1))


def paired(by_seed: np.ndarray, reference: np.ndarray) -> bool:
    """Whether runs of one seed are shown to go up and down with the reference's.

    The runs of a seed share the order of the images, and some share copied weights. Whether that
    makes their accuracies alike is tested: the correlation over seeds of the mean over networks
    with the reference, one-sided 5 %. Comparing pairs is sharper only if they are alike.
    """
    if by_seed.ndim != 2 or by_seed.shape[1:] != reference.shape:
        raise TransferError(
            f"Expected one accuracy a seed. Received: {by_seed.shape} and {reference.shape}."
        )
    mean = by_seed.mean(0)
    if len(reference) < 3 or np.ptp(mean) == 0 or np.ptp(reference) == 0:
        return False
    return bool(stats.pearsonr(mean, reference, alternative="greater").pvalue < _LEVEL)
