"""Reported numbers against scikit-learn and statsmodels."""

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from transfer.training.evaluation import accuracy, confusion_matrix, cross_entropy, reported_numbers


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    logits = rng.normal(size=(200, 3)) + 2 * np.eye(3)[labels]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels


def test_accuracy_confusion_and_loss_are_those_of_scikit_learn(predictions):
    probabilities, labels = predictions
    predicted = probabilities.argmax(1)
    assert accuracy(probabilities, labels) == metrics.accuracy_score(labels, predicted)
    np.testing.assert_array_equal(
        confusion_matrix(probabilities, labels), metrics.confusion_matrix(labels, predicted)
    )
    assert cross_entropy(probabilities, labels) == pytest.approx(
        metrics.log_loss(labels, probabilities)
    )


def test_reported_numbers_of_a_row(predictions):
    probabilities, labels = predictions
    chosen = np.arange(50)
    row = reported_numbers(probabilities, labels, chosen)
    predicted = probabilities.argmax(1)
    hits = int(np.sum(predicted == labels))
    low, high = proportion_confint(hits, 200, method="wilson")
    assert row["test_accuracy"] == hits / 200
    assert (row["test_low"], row["test_high"]) == pytest.approx((low, high))
    assert row["test_balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted)
    )
    assert row["test_equals_accuracy"] == np.mean(predicted[:50] == labels[:50])
    low, high = proportion_confint(np.sum(predicted[:50] == labels[:50]), 50, method="wilson")
    assert (row["test_equals_low"], row["test_equals_high"]) == pytest.approx((low, high))
    assert row["test_low"] < row["test_accuracy"] < row["test_high"]


def test_a_class_that_is_neither_there_nor_answered_has_its_row_and_column():
    probabilities, labels = np.eye(3)[[0, 1, 0]], np.array([0, 1, 1])
    expected = [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(probabilities, labels), expected)


def test_numbers_of_a_row_are_as_many_whatever_the_number_of_classes():
    """A thousand classes: the confusion of a run would make ``runs.csv`` unreadable."""
    labels = np.arange(1000)
    row = reported_numbers(np.eye(1000, dtype=np.float32), labels, labels)
    assert len(row) == 7
    assert {type(value) for value in row.values()} == {float}
