"""Rules of a verdict: which of several claims may be made with one error of 5 % for all of them.

Each rule takes p-values, one a claim, of the test that the claim is false. The probability that
any false claim is made is at most ``level`` for the whole family.
"""

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from transfer.statistics.accuracies import Accuracies
from transfer.statistics.differences import correlation, difference
from transfer.statistics.seeds import SeedVariance

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def step_down(p: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Adjusted p-values of claims that may be made in any order: made where they are <= 5 %.

    Holm's procedure with the correlation of the estimates in place of Bonferroni's inequality
    (Dunnett and Tamhane 1991). The best is compared with the maximum of all, the next with the
    maximum of those left, and so on. p-values are turned into normal scores.
    """
    p = np.asarray(p, float)
    loadings = one_factor(correlation)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    least = 0.0
    for place, claim in enumerate(order):
        score = -special.ndtri(np.clip(p[claim], 1e-15, 1 - 1e-15))
        least = max(least, 1 - below(score, loadings[order[place:]]))
        adjusted[claim] = least
    return adjusted


def critical(correlation: np.ndarray, level: float = 0.05) -> float:
    """The normal score that the largest of several exceeds with probability ``level``."""
    loadings = one_factor(correlation)
    return float(brentq(lambda score: below(score, loadings) - (1 - level), 0, 8))


def below(score: float, loadings: np.ndarray) -> float:
    """Probability that the maximum of normal scores is below ``score``.

    Scores are ``loading z + sqrt(1 - loading^2) e`` with one z for all and an e for each, all
    standard normal. The integral over z is a Gauss-Hermite sum: always the same to the last digit.
    """
    own = np.sqrt(1 - loadings**2)
    inside = special.ndtr((score - _NODES[:, None] * loadings) / own)
    return float(_WEIGHTS @ inside.prod(1))


def one_factor(correlation: np.ndarray) -> np.ndarray:
    """Loadings whose products come near the correlations: least squares, float64 (scores,).

    Negative loadings, which would make the maximum smaller, are set to 0.
    """
    alike = correlation - np.eye(len(correlation))
    loadings = np.sqrt(alike.sum(1).clip(0) / max(len(correlation) - 1, 1))
    for _ in range(40):  # the least squares of each loading, given the others
        others = loadings @ loadings - loadings**2
        best = np.divide(alike @ loadings, others, out=np.zeros_like(others), where=others > 0)
        loadings = (loadings + best.clip(0, 0.99)) / 2
    return loadings


def against_best(
    accuracies: Accuracies, spread: SeedVariance, network: int, level: float = 0.05
) -> tuple[int, float]:
    """The network with the highest mean, and by how much it is at least better than ``network``.

    Multiple comparisons with the best (Hsu 1984): the highest of many means is high by luck, too.
    The bound holds with probability ``1 - level`` for all other networks at once; it is 0 if
    ``network`` is the best itself.
    """
    best = int(accuracies.mean.argmax())
    if best == network:
        return best, 0.0
    others = np.delete(np.arange(len(accuracies.seeds)), network)
    score = critical(correlation(accuracies, spread, others, network), level)
    ahead = difference(accuracies, spread, np.array([best]), network)[0]
    half = stats.t.isf(stats.norm.sf(score), ahead.df) * np.sqrt(ahead.variance)
    return best, float(ahead.estimate - half)
