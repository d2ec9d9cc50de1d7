"""Differences between networks: Student's t where it applies, and the coverage that is promised."""

import numpy as np
import pytest
from scipy import stats

from transfer.statistics.accuracies import Accuracies, clusters_of, measure
from transfer.statistics.differences import cluster_variance, correlation, difference
from transfer.statistics.seeds import seed_variance

IMAGES = 150
LABELS = np.arange(IMAGES) % 3


def without_images(*by_seed):
    """Networks whose runs differ, on images that all of them get right alike."""
    runs = tuple(np.array(values, float) for values in by_seed)
    return Accuracies(runs, np.zeros((len(runs), 50)), np.zeros(len(runs)), 1000)


def study(rng, networks=6, seeds=3, by_seed=0.03, by_image=0.3, by_run=0.3, cluster=1):
    """Runs whose expected accuracy is 0.5; shares of images right, so that all is normal."""
    noise = rng.standard_normal((networks, 1, IMAGES // cluster))
    right = 0.5 + by_image * np.repeat(noise, cluster, axis=2)
    right = right + by_seed * rng.standard_normal((networks, seeds, 1))
    return right + by_run * rng.standard_normal((networks, seeds, IMAGES))


def compared(right, cluster=1):
    """All networks but the last against the last."""
    clusters = np.arange(IMAGES) // cluster
    accuracies = measure(list(right), LABELS, clusters, 3)
    last = len(right) - 1
    return difference(accuracies, seed_variance(accuracies.by_seed), np.arange(last), last)


def test_seeds_alone_give_students_t():
    a, b = [0.70, 0.71, 0.72], [0.715, 0.725, 0.735]
    accuracies = without_images(a, b)
    seen = difference(accuracies, seed_variance(accuracies.by_seed), 0, 1)
    expected = stats.ttest_ind(a, b)
    assert seen.df == pytest.approx(4)
    assert seen.estimate == pytest.approx(-0.015)
    assert seen.interval(0.95) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    above = stats.ttest_ind(np.array(a) + 0.01, b, alternative="less").pvalue
    assert seen.probability_above(-0.01) == pytest.approx(above)


def test_unequal_variances_give_welchs_t():
    a, b = [0.1, 0.5, 0.9], [0.699, 0.7, 0.701]
    accuracies = without_images(a, b)
    seen = difference(accuracies, seed_variance(accuracies.by_seed), 0, 1)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert seen.interval(0.95) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("cluster", "by_run"), [(1, 0.3), (5, 0.3), (1, 0.9)])
def test_the_variance_is_that_of_the_truth(cluster, by_run):
    rng = np.random.default_rng(cluster)
    seen = [compared(study(rng, by_run=by_run, cluster=cluster), cluster) for _ in range(200)]
    estimates = np.array([d.estimate for d in seen])
    variances = np.array([d.variance for d in seen])
    true = 2 * (0.3**2 * cluster / IMAGES + 0.03**2 / 3 + by_run**2 / (3 * IMAGES))
    assert estimates.var() == pytest.approx(true, rel=0.2)
    # A network never has less than its own variance, which makes the mean a little larger.
    assert true < variances.mean() < 1.35 * true


@pytest.mark.parametrize(
    ("networks", "seeds", "by_image"), [(2, 2, 0.01), (2, 3, 0.3), (6, 2, 0.3), (6, 3, 0.01)]
)
def test_an_interval_covers_as_often_as_it_says(networks, seeds, by_image):
    rng = np.random.default_rng(networks + seeds)
    inside = []
    for _ in range(400):
        seen = compared(study(rng, networks, seeds, by_image=by_image, by_run=0.1))
        low, high = seen.interval(0.9)
        inside.append(((low <= 0) & (high >= 0)).mean())
    # Three standard errors of 400 studies are 4.5 points; wider than promised by 5 at most.
    assert 0.855 < np.mean(inside) < 0.965


def test_clusters_of_alike_images_widen_the_interval_as_they_must():
    rng = np.random.default_rng(0)
    covered = {1: [], 5: []}
    for _ in range(300):
        right = study(rng, networks=2, by_seed=0, by_run=0.01, cluster=5)
        for cluster, inside in covered.items():
            low, high = compared(right, cluster).interval(0.9)
            inside.append(low[0] <= 0 <= high[0])
    assert np.mean(covered[1]) < 0.7
    assert np.mean(covered[5]) == pytest.approx(0.9, abs=0.05)


def test_one_run_each_is_about_these_runs():
    right = study(np.random.default_rng(3), seeds=1)
    seen = compared(right)
    assert (seen.by_seeds == 0).all()
    assert seen.seeds.tolist() == [1] * 5
    assert seen.variance == pytest.approx(seen.by_images)


def test_few_clusters_that_matter_leave_few_degrees_of_freedom():
    alike = np.tile([1.0, -1.0], 20)
    variance, df = cluster_variance(alike)
    assert (variance, df) == (40, 39)
    one = np.append(np.full(39, -1 / 39), 1.0)
    assert cluster_variance(one)[1] < 3


def test_the_correlation_of_differences_is_that_of_the_truth():
    rng = np.random.default_rng(4)
    rights = [study(rng, networks=3) for _ in range(800)]
    estimates = np.array([compared(right).estimate for right in rights])
    expected = np.corrcoef(estimates.T)[0, 1]  # they share a network: one half
    accuracies = measure(list(rights[0]), LABELS, np.arange(IMAGES), 3)
    spread = seed_variance([np.arange(3) * 0.03] * 3)  # each with the true standard deviation
    seen = correlation(accuracies, spread, np.array([0, 1]), 2)
    assert np.diag(seen) == pytest.approx(1)
    assert seen[0, 1] == pytest.approx(expected, abs=0.12)


def test_networks_right_on_the_same_images_do_not_differ():
    right = np.ones((2, 3, IMAGES)) * (np.arange(IMAGES) % 2)
    seen = compared(right)[0]
    assert seen.probability_above(-0.01) == pytest.approx(1)
    assert seen.probability_above(0.01) == pytest.approx(0)


def test_every_seed_counts_whichever_the_other_network_has():
    accuracies = without_images([0.7, 0.72, 0.74, 0.7, 0.74], [0.7, 0.72, 0.74])
    seen = difference(accuracies, seed_variance(accuracies.by_seed), 0, 1)
    assert seen.df == pytest.approx(6)
    assert seen.variance == pytest.approx(0.0004 * (1 / 5 + 1 / 3))


def test_clusters_from_segments_fit_the_images():
    accuracies = measure([study(np.random.default_rng(5))[0]], LABELS, clusters_of(IMAGES), 3)
    assert accuracies.sums.shape == (1, 21)
