"""Intervals and tests against statsmodels and scipy."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from transfer.answers.statistics import mcnemar_exact, paired_bootstrap, t_interval, wilson
from transfer.errors import TransferError


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (37, 125), (3700, 4086)])
def test_wilson_is_that_of_statsmodels(successes, trials):
    expected = proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-9)


def test_the_t_interval_is_that_of_scipy():
    values = [0.71, 0.74, 0.72, 0.70]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    mean, low, high = t_interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(expected)
    assert np.isnan(t_interval([0.7])[1:]).all()


def test_mcnemar_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    a, b = rng.random(200) < 0.8, rng.random(200) < 0.7
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert mcnemar_exact(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_the_bootstrap_of_one_seed_has_the_width_of_the_normal_interval():
    rng = np.random.default_rng(1)
    a, b = rng.random((1, 2000)) < 0.8, rng.random((1, 2000)) < 0.75
    difference = a.mean() - b.mean()
    half = 1.96 * (a.astype(float) - b).std() / 2000**0.5
    found = paired_bootstrap(a, b)
    assert found.estimate == pytest.approx(difference)
    assert (found.low, found.high) == pytest.approx(
        (difference - half, difference + half), abs=4e-3
    )


def test_what_is_no_proportion_is_refused():
    with pytest.raises(TransferError):
        wilson(5, 4)
