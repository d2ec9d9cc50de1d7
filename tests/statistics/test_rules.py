"""Which claims may be made together: against statsmodels, scipy, Dunnett's table, simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from transfer.statistics.accuracies import Accuracies, measure
from transfer.statistics.differences import correlation, difference
from transfer.statistics.rules import (
    against_best,
    below,
    critical,
    one_factor,
    step_down,
)
from transfer.statistics.seeds import seed_variance

P = np.array([0.001, 0.2, 0.004, 0.03, 0.012])


def equal(networks, rho):
    return np.full((networks, networks), rho) + (1 - rho) * np.eye(networks)


def test_independent_claims_are_those_of_holm_and_sidak():
    expected = multipletests(P, method="holm-sidak")[1]
    assert step_down(P, np.eye(5)) == pytest.approx(expected, abs=1e-6)
    assert step_down(np.array([0.03, 0.03]), np.eye(2)) == pytest.approx(1 - 0.97**2)


def test_claims_that_are_one_claim_need_no_adjustment():
    assert step_down(P, np.ones((5, 5)))[P.argsort()] == pytest.approx(np.sort(P), abs=0.03)
    assert step_down(np.array([0.03]), np.ones((1, 1))) == pytest.approx([0.03])


@pytest.mark.parametrize(("networks", "score"), [(1, 1.64), (2, 1.92), (5, 2.23), (9, 2.42)])
def test_the_critical_score_is_that_of_dunnetts_table(networks, score):
    """One-sided 5 %, infinitely many degrees of freedom, correlation one half (Dunnett 1955)."""
    assert critical(equal(networks, 0.5)) == pytest.approx(score, abs=0.006)


def test_the_probability_of_the_maximum_is_that_of_scipy():
    loadings = np.array([0.9, 0.5, 0.3, 0.7])
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1)
    normal = stats.multivariate_normal(np.zeros(4), matrix, seed=0)
    assert below(1.5, loadings) == pytest.approx(normal.cdf(np.full(4, 1.5)), abs=1e-4)
    assert one_factor(matrix) == pytest.approx(loadings, abs=1e-3)


def test_one_factor_is_near_enough_for_correlations_of_another_kind():
    rng = np.random.default_rng(0)
    matrix = np.corrcoef(rng.standard_normal((6, 40)) + rng.standard_normal((1, 40)))
    normal = stats.multivariate_normal(np.zeros(6), matrix, seed=0)
    assert below(2.0, one_factor(matrix)) == pytest.approx(normal.cdf(np.full(6, 2.0)), abs=0.006)


def test_correlation_makes_claims_easier_and_none_makes_them_impossible():
    alone, together = step_down(P, np.eye(5)), step_down(P, equal(5, 0.7))
    assert (together <= alone + 1e-12).all()
    assert (together >= P - 1e-9).all()


def simulated(rng, truth, seeds=3):
    """A study of as many networks as `truth` says, and a reference; all noise is normal."""
    means = np.append(truth, 0.0)[:, None, None]
    images = rng.standard_normal((1, 1, 120)) + 0.5 * rng.standard_normal((len(means), 1, 120))
    runs = rng.standard_normal((len(means), seeds, 1))
    return 0.7 + means + 0.1 * images + 0.01 * runs


@pytest.mark.parametrize("seeds", [2, 3])
def test_at_most_five_in_a_hundred_verdicts_are_false(seeds):
    """All thirteen networks are worse by exactly the margin, the hardest case there is."""
    rng = np.random.default_rng(seeds)
    clusters, labels = np.arange(120), np.zeros(120, int)
    false = {"general": 0, "cut": 0, "alone": 0}
    for _ in range(400):
        accuracies = measure(list(simulated(rng, np.full(13, -0.01), seeds)), labels, clusters, 1)
        spread, networks = seed_variance(accuracies.by_seed), np.arange(13)
        p = 1 - difference(accuracies, spread, networks, 13).probability_above(-0.01)
        false["general"] += p[0] <= 0.05  # a fixed sequence of tests begins with it
        false["cut"] += (step_down(p, correlation(accuracies, spread, networks, 13)) <= 0.05).any()
        false["alone"] += (p <= 0.05).any()
    # 5 % of 400 are 20; three standard deviations of the count are 13.
    assert 3 <= false["general"] <= 33
    assert 3 <= false["cut"] <= 33
    assert false["alone"] > 60


def test_the_best_is_ahead_only_as_far_as_many_comparisons_allow():
    rng = np.random.default_rng(5)
    clusters, labels = np.arange(120), np.zeros(120, int)
    ahead = 0
    for _ in range(300):
        accuracies = measure(list(simulated(rng, np.zeros(12))), labels, clusters, 1)
        spread = seed_variance(accuracies.by_seed)
        _, low = against_best(accuracies, spread, 0)
        ahead += low > 0  # none is better than any other
    assert ahead <= 15 + 12


def test_the_best_is_the_highest_mean_and_not_ahead_of_itself():
    runs = tuple(np.array([m - 0.01, m, m + 0.01]) for m in (0.7, 0.9, 0.8))
    accuracies = Accuracies(runs, np.zeros((3, 50)), np.zeros(3), 1000)
    spread = seed_variance(runs)
    assert against_best(accuracies, spread, 1) == (1, 0.0)
    best, low = against_best(accuracies, spread, 0)
    assert best == 1
    se, score = 0.01 * (2 / 3) ** 0.5, stats.t.isf(stats.norm.sf(critical(equal(2, 0.5))), 6)
    assert low == pytest.approx(0.2 - score * se)
