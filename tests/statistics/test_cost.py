"""What would decide: as many seeds or images as are said decide four studies in five."""

import numpy as np
import pytest
from scipy import stats

from transfer.statistics.differences import Difference, images_to_decide, seeds_to_decide


def seen(estimate, by_images=0.0, by_seeds=0.0, interaction=0.0, df=1e6, seeds=3):
    variance = by_images + by_seeds
    return Difference(estimate, variance, df, by_images, by_seeds, interaction, seeds, 0, 0.0, 0.0)


def test_seeds_are_those_of_the_normal_test():
    sd, distance = 0.02, 0.015  # of the mean of three seeds; from minus the margin
    exact = 3 * ((stats.norm.isf(0.05) + stats.norm.ppf(0.8)) * sd / distance) ** 2
    found = seeds_to_decide(seen(distance - 0.01, by_seeds=sd**2), -0.01)
    assert found == int(np.ceil(exact))


def test_a_network_with_more_seeds_keeps_them():
    """Two runs against sixteen: more seeds of the one alone; the other gets more only after it."""
    sd, distance = 0.01, 0.02  # of one run; from minus the margin
    score = stats.norm.isf(0.05) + stats.norm.ppf(0.8)
    both = sd**2 / 2 + sd**2 / 16
    unequal = Difference(distance - 0.01, both, 1e6, 0.0, both, 0.0, 2, 16, sd**2 / 16, 0.0)
    needed = next(
        n for n in range(3, 51) if distance >= score * (sd**2 / n + sd**2 / max(n, 16)) ** 0.5
    )
    assert seeds_to_decide(unequal, -0.01) == needed


@pytest.mark.parametrize("distance", [0.02, -0.02])
def test_so_many_seeds_decide_with_eighty_in_a_hundred(distance):
    sd, df = 0.02, 26
    first = seen(distance - 0.01, by_seeds=sd**2, df=df)
    seeds = seeds_to_decide(first, -0.01)
    rng = np.random.default_rng(0)
    se = sd * (3 / seeds) ** 0.5
    estimates = distance + se * rng.standard_normal(4000)
    errors = se * np.sqrt(rng.chisquare(df, 4000) / df)
    decided = np.sign(distance) * estimates / errors > stats.t.ppf(0.95, df)
    assert 0.79 < decided.mean() < 0.87  # seeds are whole numbers


def test_seeds_do_not_help_against_few_images():
    assert seeds_to_decide(seen(0.0, by_images=0.01**2, by_seeds=0.01**2), -0.01) is None
    # What runs err on of their own goes down with seeds, though images hold it.
    helped = seen(0.0, by_images=0.006**2, by_seeds=0, interaction=0.006**2)
    assert seeds_to_decide(helped, -0.01) == 7


def test_images_are_counted_in_times_the_present():
    times = images_to_decide(seen(0.0, by_images=0.01**2), -0.01)
    assert times == pytest.approx((stats.norm.isf(0.05) + stats.norm.ppf(0.8)) ** 2, abs=0.1)
    assert images_to_decide(seen(0.0, by_images=1e-6, by_seeds=0.01**2), -0.01) is None


def test_nothing_decides_what_lies_at_the_margin():
    at_margin = seen(-0.01, by_images=0.01**2, by_seeds=0.01**2)
    assert seeds_to_decide(at_margin, -0.01) is None
    assert images_to_decide(at_margin, -0.01) is None
