"""Intervals and tests against statsmodels and scipy."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from transfer.errors import TransferError
from transfer.statistics.intervals import (
    images_needed,
    mcnemar_exact,
    needed_to_decide,
    non_inferior,
    paired_bootstrap,
    seeds_needed,
    t_interval,
    wilson,
)


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


def networks(rng, images=400, seeds=3, worse=0.0, by_seed=0.05, block=10):
    """Two networks on images of unlike difficulty; neighbours in a block are alike."""
    easy = np.repeat(rng.normal(1.0, 1.0, images // block), block)
    own = [np.repeat(rng.normal(0, 0.5, images // block), block) for _ in range(2)]
    score_a, score_b = (
        easy + part + rng.normal(0, by_seed, (seeds, 1)) + rng.normal(0, 0.5, (seeds, images))
        for part in own
    )
    return score_a > worse, score_b > 0


def equally_right(images, seeds=1):
    """Two networks that are wrong on one image in twenty each, on different ones."""
    place = np.tile(np.arange(images), (seeds, 1))
    return place % 20 != 0, place % 20 != 10


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_covers_no_difference_as_often_as_it_says(seeds):
    rng = np.random.default_rng(seeds)
    blocks = np.arange(400) // 10
    covered = 0
    for trial in range(100):
        a, b = networks(rng, seeds=seeds, by_seed=0.05 if seeds > 1 else 0.0)
        seen = paired_bootstrap(a, b, blocks=blocks, draws=1000, seed=trial, level=0.9)
        covered += seen.low <= 0 <= seen.high
    # 90 % of 100 is 90; three standard deviations of the count are 9.
    assert covered >= 81


def test_blocks_of_alike_images_widen_the_interval():
    a, b = networks(np.random.default_rng(3), seeds=1)
    widths = [
        found.high - found.low
        for found in (paired_bootstrap(a, b, blocks=np.arange(400) // k) for k in (1, 10))
    ]
    assert widths[1] > 1.5 * widths[0]


def test_non_inferiority_is_decided_by_the_bounds():
    rng, blocks = np.random.default_rng(4), np.arange(8000) // 20
    equal = non_inferior(*networks(rng, 8000), margin=0.05, blocks=blocks)
    worse = non_inferior(*networks(rng, 8000, worse=1.0), margin=0.05, blocks=blocks)
    few = non_inferior(*equally_right(60), margin=0.01)
    assert (equal.outcome, worse.outcome, few.outcome) == (
        "non-inferior", "inferior", "undecided"
    )  # fmt: skip
    assert equal.difference.level == pytest.approx(0.9)  # one-sided 95 %


def test_images_needed_is_the_sample_size_of_a_z_test():
    images = images_needed(0.01, 0.4)
    power = stats.norm.sf(stats.norm.ppf(0.95) - 0.01 / (0.4 / images**0.5))
    assert power == pytest.approx(0.8, abs=1e-3)
    assert images_needed(0.0, 0.4) is None


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_seeds_needed_is_the_sample_size_of_a_t_test(effect):
    exact = TTestPower().solve_power(effect, alpha=0.05, power=0.8, alternative="larger")
    assert seeds_needed(effect, 1.0) == max(2, int(np.ceil(exact)))
    assert seeds_needed(-effect, 1.0) is None
    assert seeds_needed(1e-6, 1.0) is None


def trials(rng, images, worse, count=100):
    """Outcomes of tests of A against B, A being worse by `worse`; 0.3 of the images differ."""
    outcomes = []
    for trial in range(count):
        draw = rng.random((1, images))
        only_b, only_a = draw < 0.15 + worse / 2, draw > 0.85 + worse / 2
        found = non_inferior(~only_b, ~only_a, margin=0.1, draws=1000, seed=trial)
        outcomes.append(found.outcome)
    return outcomes


def test_a_network_worse_by_the_margin_passes_as_rarely_as_the_level_says():
    outcomes = trials(np.random.default_rng(6), 200, worse=0.1)
    # 5 % of 100 are 5; three standard deviations of the count are 7.
    assert outcomes.count("non-inferior") <= 12
    assert outcomes.count("inferior") <= 12


def test_as_many_images_as_are_said_to_decide_do_decide():
    images = images_needed(0.1, sd=0.3**0.5)  # differences of -1, 0, 1, of which 0.3 are not 0
    decided = trials(np.random.default_rng(7), images, worse=0.0).count("non-inferior")
    # 80 % of 100 are 80; three standard deviations of the count are 12.
    assert 68 <= decided <= 92


def test_what_would_decide_one_seed_is_counted_in_images_alone():
    first = non_inferior(*equally_right(60), margin=0.01)
    seen = first.difference
    images, seeds = needed_to_decide(first)
    assert seeds is None  # one seed does not tell how seeds vary
    assert images == images_needed(abs(seen.estimate + 0.01), seen.se_images * 60**0.5)


def test_seeds_that_vary_leave_less_for_the_images_to_decide():
    rng, margin = np.random.default_rng(8), 0.05
    found = non_inferior(*networks(rng, 2000, seeds=4, by_seed=0.05), margin=margin)
    seen = found.difference
    distance = abs(seen.estimate + margin)
    images, seeds = needed_to_decide(found)
    by_seeds = stats.t.ppf(0.95, 3) * seen.sd_seeds / 2
    by_images = stats.norm.ppf(0.95) * seen.se_images
    assert images == images_needed(distance - by_seeds, seen.se_images * 2000**0.5)
    assert seeds == seeds_needed(distance - by_images, seen.sd_seeds)


def test_more_seeds_do_not_help_where_images_are_too_few():
    _, seeds = needed_to_decide(non_inferior(*equally_right(100, seeds=4), margin=0.01))
    assert seeds is None
