"""Linear rules against sklearn; LEEP and NCE against slow direct formulas."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import NearestCentroid

from tests.made_features import moments
from transfer.errors import TransferError
from transfer.scores.closed_form import leep, nce, nearest_centroid, ridge_rules


@pytest.fixture
def labelled():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 400, p=[0.6, 0.3, 0.1])
    return rng.standard_normal((3, 5))[labels] + rng.standard_normal((400, 5)) + 4, labels


def entropy(labels):
    shares = np.bincount(labels) / len(labels)
    return -(shares[shares > 0] * np.log(shares[shares > 0])).sum()


def source(labels, classes=7, seed=1):
    """Probabilities of a source classifier that knows something of the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((len(labels), classes))
    logits[np.arange(len(labels)), labels] += 1
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("strength", [1e-6, 0.1, 10.0])
def test_ridge_is_that_of_sklearn_on_one_hot_labels(labelled, strength):
    features, labels = labelled
    found = moments(features, labels, 3)
    penalty = strength * np.trace(found.total) / 5
    expected = Ridge(alpha=penalty).fit(features, np.eye(3)[labels])
    (rule,) = ridge_rules(found, (strength,))
    assert rule.weights == pytest.approx(expected.coef_.T, abs=1e-9)
    assert rule.offset == pytest.approx(expected.intercept_, abs=1e-9)
    assert rule.hits(features, labels) == np.sum(expected.predict(features).argmax(1) == labels)


def test_the_centroid_rule_is_that_of_sklearn(labelled):
    features, labels = labelled
    rule = nearest_centroid(moments(features, labels, 3))
    expected = NearestCentroid().fit(features, labels).predict(features)
    assert rule.hits(features, expected) == len(labels)


def test_a_class_without_training_samples_is_never_chosen(labelled):
    features, labels = labelled
    rule = nearest_centroid(moments(features, labels, 4))
    assert rule.hits(np.zeros((10, 5)), np.full(10, 3)) == 0


def accuracies(features, labels):
    found = moments(features, labels, 3)
    rules = (*ridge_rules(found), nearest_centroid(found))
    return [rule.hits(features, labels) / len(labels) for rule in rules]


def test_rules_do_not_see_rotation_scale_or_shift(labelled):
    features, labels = labelled
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    moved = 1e3 * features @ rotation - 40
    assert accuracies(moved, labels) == pytest.approx(accuracies(features, labels))


def test_rules_are_right_on_classes_that_are_far_apart(labelled):
    labels = labelled[1]
    features = 100 * np.eye(3)[labels] + np.random.default_rng(1).standard_normal((400, 3))
    assert accuracies(features, labels)[0] == accuracies(features, labels)[-1] == 1


def test_on_noise_a_regularised_probe_says_the_most_frequent_class(labelled):
    labels = labelled[1]
    noise = np.random.default_rng(1).standard_normal((400, 5))
    share = np.bincount(labels).max() / 400
    (strong,) = ridge_rules(moments(noise, labels, 3), (100.0,))
    assert strong.hits(noise, labels) / 400 == pytest.approx(share)


@pytest.mark.parametrize("score", [leep, nce])
def test_the_order_of_source_classes_means_nothing(labelled, score):
    labels = labelled[1]
    theta = source(labels)
    other = theta[:, np.random.default_rng(0).permutation(7)]
    assert score(other, labels, 3) == pytest.approx(score(theta, labels, 3))


def test_leep_is_the_sum_of_its_definition(labelled):
    labels = labelled[1][:50]
    theta = source(labels)
    joint = np.zeros((3, 7))
    for probabilities, label in zip(theta, labels, strict=True):
        joint[label] += probabilities / 50
    expected = 0.0
    for probabilities, label in zip(theta, labels, strict=True):
        given = [joint[label, z] / joint[:, z].sum() * probabilities[z] for z in range(7)]
        expected += np.log(sum(given)) / 50
    assert leep(theta, labels, 3) == pytest.approx(expected)


def test_nce_is_mutual_information_minus_the_entropy_of_the_labels(labelled):
    labels = labelled[1]
    theta = source(labels)
    expected = mutual_info_score(labels, theta.argmax(1)) - entropy(labels)
    assert nce(theta, labels, 3) == pytest.approx(expected)


@pytest.mark.parametrize("score", [leep, nce])
def test_a_source_that_knows_the_labels_scores_zero(labelled, score):
    labels = labelled[1]
    assert score(np.eye(7)[labels + 2], labels, 3) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("score", [leep, nce])
def test_a_source_that_knows_nothing_scores_minus_the_entropy(labelled, score):
    labels = labelled[1]
    theta = np.full((len(labels), 7), 1 / 7)
    assert score(theta, labels, 3) == pytest.approx(-entropy(labels))
    permuted = source(np.random.default_rng(0).permutation(labels))
    assert -entropy(labels) <= score(permuted, labels, 3) < score(source(labels), labels, 3)


@pytest.mark.parametrize("score", [leep, nce])
def test_more_rows_than_are_read_at_once_give_the_same(labelled, score):
    labels = np.tile(labelled[1], 4)
    theta = np.tile(source(labelled[1]), (4, 1))
    assert score(theta, labels, 3) == pytest.approx(score(theta[:400], labels[:400], 3))


@pytest.mark.parametrize("score", [leep, nce])
def test_labels_that_do_not_fit_are_refused(score):
    with pytest.raises(TransferError, match="Expected"):
        score(np.ones((3, 2)) / 2, np.array([0, 1, 3]), 3)
    with pytest.raises(TransferError, match="Expected"):
        score(np.ones((3, 2)) / 2, np.array([0, 1]), 3)
