"""The variance over seeds: pooled where variances are equal, a network's own where they are not."""

import numpy as np
import pytest
from scipy import stats

from transfer.statistics.seeds import bartlett, paired, seed_variance


def runs(sds, seeds=3, key=0):
    rng = np.random.default_rng(key)
    return [sd * rng.standard_normal(seeds) for sd in sds]


def own(networks):
    return np.array([network.var(ddof=1) for network in networks])


def test_bartlett_is_that_of_scipy():
    networks = [*runs([1, 2, 3]), np.arange(5.0)]
    df = np.array([len(network) - 1 for network in networks])
    assert bartlett(own(networks), df) == pytest.approx(stats.bartlett(*networks).pvalue)


def test_equal_variances_are_pooled_with_all_their_degrees_of_freedom():
    networks = runs([1.0] * 13)
    spread = seed_variance(networks)
    assert spread.pooled.all()
    assert (spread.df == 26).all()
    assert spread.variance == pytest.approx(np.maximum(own(networks).mean(), own(networks)))


def test_the_noisiest_networks_are_set_apart():
    networks = runs([1.0] * 12 + [50.0, 80.0])
    spread = seed_variance(networks)
    assert list(spread.pooled) == [True] * 12 + [False] * 2
    assert list(spread.df) == [24.0] * 12 + [2.0] * 2
    assert spread.variance[12:] == pytest.approx(own(networks)[12:])
    assert spread.variance[:12].max() < 10


def test_no_network_has_less_than_its_own_variance():
    networks = runs([1.0] * 13, key=3)
    assert (seed_variance(networks).variance >= own(networks)).all()


def test_one_run_has_the_mean_variance_and_no_degree_of_freedom_of_its_own():
    networks = runs([1.0] * 5)
    spread = seed_variance([*networks, np.zeros(1)])
    assert spread.variance[-1] == pytest.approx(own(networks).mean())
    assert spread.df[-1] <= 10
    apart = seed_variance([*runs([1.0, 1.0, 100.0]), np.zeros(1)])
    assert apart.variance[-1] > 100  # the noisy network counts: who knows which it is like
    assert apart.df[-1] < 3


def test_a_network_that_always_answers_the_same_tells_nothing_of_the_others():
    networks = runs([1.0] * 5)
    spread = seed_variance([*networks, np.full(3, 0.333)])
    assert spread.variance[-1] == pytest.approx(own(networks).mean())
    assert (spread.df == 10).all()


def test_without_two_runs_of_anything_the_variance_is_not_known():
    spread = seed_variance([np.ones(1), np.zeros(1)])
    assert not spread.known
    assert seed_variance([np.ones(1), np.arange(2.0)]).known


def test_runs_are_paired_only_where_seeds_are_shown_to_go_together():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(8)
    noise = rng.standard_normal((5, 8))
    assert paired(reference + 0.5 * noise, reference)
    assert not paired(-reference + 0.5 * noise, reference)
    assert not paired(reference[:2] + noise[:, :2], reference[:2])  # two seeds show nothing
    falsely = [paired(rng.standard_normal((5, 3)), rng.standard_normal(3)) for _ in range(400)]
    assert np.mean(falsely) == pytest.approx(0.05, abs=0.033)
