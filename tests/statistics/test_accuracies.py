"""Balanced accuracy and its variance over clusters of images, against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.linalg import sqrtm
from sklearn.metrics import balanced_accuracy_score

from transfer.errors import TransferError
from transfer.statistics.accuracies import FEWEST_CLUSTERS, clusters_of, measure

RNG = np.random.default_rng(0)
LABELS = np.repeat(RNG.choice(3, 100, p=[0.6, 0.3, 0.1]), 10)
CLUSTERS = clusters_of(len(LABELS))
RIGHT = [RNG.random((seeds, 1000)) < 0.6 + 0.1 * LABELS for seeds in (1, 3)]


def regression(values, clusters, labels=LABELS):
    """Mean over classes of the mean of each, by regression, with its CR2 variance.

    Bell and McCaffrey 2002: residuals of a cluster times the inverse root of what is left of the
    identity after its part of the hat matrix.
    """
    design = np.eye(labels.max() + 1)[labels]
    bread = np.linalg.inv(design.T @ design)
    means = bread @ design.T @ values
    meat = np.zeros_like(bread)
    for cluster in np.unique(clusters):
        here = design[clusters == cluster]
        root = sqrtm(np.eye(len(here)) - here @ bread @ here.T)
        score = here.T @ np.linalg.pinv(root) @ (values[clusters == cluster] - here @ means)
        meat += np.outer(score, score)
    share = np.full(len(means), 1 / len(means))
    return share @ means, share @ bread @ meat @ bread @ share


def test_balanced_accuracy_is_that_of_scikit_learn():
    accuracies = measure(RIGHT, LABELS, CLUSTERS, 3)
    for network, values in zip(RIGHT, accuracies.by_seed, strict=True):
        for run, value in zip(network, values, strict=True):
            answers = np.where(run, LABELS, (LABELS + 1) % 3)
            assert value == pytest.approx(balanced_accuracy_score(LABELS, answers))


def test_the_variance_over_images_is_that_of_a_cluster_robust_regression():
    accuracies = measure(RIGHT, LABELS, CLUSTERS, 3)
    mean, variance = regression(RIGHT[0][0].astype(float), CLUSTERS)
    assert accuracies.mean[0] == pytest.approx(mean)
    assert accuracies.covariance()[0, 0] == pytest.approx(variance)
    covariance = accuracies.covariance()
    _, expected = regression(RIGHT[0][0] - RIGHT[1].mean(0), CLUSTERS)
    assert covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1] == pytest.approx(expected)


def test_the_variance_over_photographs_is_that_of_statsmodels():
    accuracies = measure(RIGHT, LABELS, np.arange(1000), 3)
    fit = sm.OLS(RIGHT[0][0].astype(float), np.eye(3)[LABELS]).fit(cov_type="HC2")
    assert accuracies.covariance()[0, 0] == pytest.approx(fit.cov_params().mean())


def test_plain_accuracy_is_the_same_with_one_class():
    accuracies = measure(RIGHT, LABELS, CLUSTERS, 3, metric="accuracy")
    fit = sm.OLS(RIGHT[0][0].astype(float), np.ones(1000)).fit(
        cov_type="cluster", cov_kwds={"groups": CLUSTERS}
    )
    assert accuracies.mean[0] == pytest.approx(RIGHT[0].mean())
    assert accuracies.covariance()[0, 0] == pytest.approx(fit.cov_params()[0, 0])


def test_a_class_in_one_cluster_still_has_a_variance():
    labels = np.zeros(1000, int)
    labels[:50] = 1
    accuracies = measure(RIGHT, labels, CLUSTERS, 2)
    _, rare = regression(RIGHT[0][0][:50].astype(float), np.arange(50), labels[:50] * 0)
    _, common = regression(RIGHT[0][0][50:].astype(float), CLUSTERS[50:], labels[50:])
    assert accuracies.covariance()[0, 0] == pytest.approx((rare + common) / 4)
    labels[1:50] = 0  # one image: no variance can be seen, and nothing breaks
    assert np.isfinite(measure(RIGHT, labels, CLUSTERS, 2).covariance()).all()


def test_the_interaction_is_the_variance_that_other_images_would_give_between_runs():
    """Runs alike but for images drawn for each: their variance is all interaction."""
    rng = np.random.default_rng(1)
    chance = np.clip(rng.normal(0.7, 0.2, 1000), 0, 1)
    runs = rng.random((400, 1000)) < chance
    accuracies = measure([runs], LABELS, np.arange(1000), 3)
    assert accuracies.interaction[0] == pytest.approx(accuracies.by_seed[0].var(ddof=1), rel=0.2)
    assert np.isnan(measure([runs[:1]], LABELS, CLUSTERS, 3).interaction[0])


def test_a_class_without_images_is_refused():
    with pytest.raises(TransferError, match=r"none of class 3.*--metric accuracy"):
        measure(RIGHT, LABELS, CLUSTERS, 4)
    assert measure(RIGHT, LABELS, CLUSTERS, 4, metric="accuracy").mean[0] > 0


@pytest.mark.parametrize(
    ("images", "count", "longest"), [(4000, 80, 50), (1000, 20, 50), (400, 20, 20), (10, 10, 1)]
)
def test_segments_have_fifty_frames_or_there_are_twenty(images, count, longest):
    sizes = np.bincount(clusters_of(images))
    assert len(sizes) == count
    assert sizes.max() == sizes.min() == longest


def test_recordings_are_clusters_and_few_recordings_are_divided():
    many = np.repeat(np.arange(25) + 7, 30)
    assert (clusters_of(750, many) == many - 7).all()
    few = np.repeat([0, 1], [1030, 470])
    clusters = clusters_of(1500, few)
    assert len(np.unique(clusters)) >= FEWEST_CLUSTERS
    assert np.bincount(clusters).min() >= 50
    for recording in (0, 1):  # none lies in two recordings
        assert not set(clusters[few == recording]) & set(clusters[few != recording])


def test_twenty_recordings_or_more_are_not_divided_however_long():
    for count in (FEWEST_CLUSTERS, FEWEST_CLUSTERS + 5):
        recordings = np.repeat(np.arange(count), 200)
        assert (clusters_of(200 * count, recordings) == recordings).all()


def test_photographs_are_clusters_of_one():
    assert (clusters_of(40, np.arange(40)) == np.arange(40)).all()


def test_a_recording_is_expected_for_each_image():
    with pytest.raises(TransferError, match="recording for each of 5"):
        clusters_of(5, np.zeros(4, int))
