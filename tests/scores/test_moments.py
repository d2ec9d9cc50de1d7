"""Moments summed over batches against moments of all samples at once."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from tests.made_features import moments
from transfer.errors import TransferError
from transfer.scores.closed_form import ledoit_wolf
from transfer.scores.moments import moments_of_blocks


@pytest.fixture
def labelled():
    rng = np.random.default_rng(0)
    features = (50 + rng.standard_normal((300, 5)) * [1, 2, 3, 4, 5]).astype(np.float32)
    return features, rng.integers(0, 3, 300)


def test_means_and_scatters_are_those_of_numpy(labelled):
    features, labels = labelled
    found = moments(features, labels, 3)
    for label in range(3):
        of_class = features[labels == label].astype(float)
        assert found.counts[label] == len(of_class)
        assert found.means[label] == pytest.approx(of_class.mean(0))
        assert found.scatters[label] == pytest.approx(
            np.cov(of_class.T, bias=True) * len(of_class), abs=1e-8
        )
    assert found.total == pytest.approx(np.cov(features.T.astype(float), bias=True) * 300)
    centred = features.astype(float) - features.astype(float).mean(0)
    assert found.fourth == pytest.approx(((centred**2).sum(1) ** 2).sum())


@pytest.mark.parametrize("batch", [1, 7, 64, 299])
def test_they_do_not_depend_on_the_batches(labelled, batch):
    features, labels = labelled
    starts = range(0, 300, batch)
    batches = (([features[s : s + batch]] * 2, labels[s : s + batch]) for s in starts)
    whole = moments(features, labels, 3)
    for found in moments_of_blocks(batches, 3):
        assert found.means == pytest.approx(whole.means, rel=1e-12)
        assert found.scatters == pytest.approx(whole.scatters, rel=1e-9, abs=1e-8)
        assert found.fourth == pytest.approx(whole.fourth, rel=1e-9)


def test_positions_are_samples_with_the_label_of_their_image(labelled):
    features, labels = labelled
    of_positions = moments(features.reshape(60, 5, 5), labels[:60], 3)
    repeated = moments(features, np.repeat(labels[:60], 5), 3)
    assert of_positions.scatters == pytest.approx(repeated.scatters)
    assert of_positions.samples == 300


@pytest.mark.parametrize(("n", "d"), [(300, 5), (20, 40), (8, 3)])
def test_the_shrinkage_is_that_of_sklearn(n, d):
    rng = np.random.default_rng(n)
    features = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 3
    found = ledoit_wolf(moments(features, rng.integers(0, 2, n), 2))
    assert found == pytest.approx(LedoitWolf().fit(features).shrinkage_)


def test_a_class_without_samples_leaves_the_others_as_they_are(labelled):
    features, labels = labelled
    three, four = moments(features, labels, 3), moments(features, labels, 4)
    assert four.total == pytest.approx(three.total)
    assert four.offsets[3] == pytest.approx(np.zeros(5))


@pytest.mark.parametrize(
    ("features", "labels", "classes"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), 2),
        (np.zeros((3, 2)), np.array([0, 1, 2]), 2),
        (np.full((3, 2), np.nan), np.array([0, 1, 1]), 2),
        (np.zeros((1, 2)), np.array([0]), 2),
        (np.zeros((4, 2048)), np.zeros(4, int), 1000),
    ],
    ids=["too few labels", "label out of range", "not finite", "one sample", "too large"],
)
def test_what_cannot_be_summed_is_refused(features, labels, classes):
    with pytest.raises(TransferError, match="Expected"):
        moments(features, labels, classes)
