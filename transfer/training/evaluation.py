"""From probabilities to reported numbers."""

from typing import Any

import numpy as np
from scipy.stats import binomtest


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose most probable class is the label (ties: the lowest class)."""
    return float(np.mean(probabilities.argmax(1) == labels))


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label); probabilities below 1e-7 count as that, as in Keras."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.mean(np.log(np.maximum(chosen, 1e-7))))


def balanced_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the share of a class's images that are found, 0..1."""
    confusion = confusion_matrix(probabilities, labels)
    return float(np.mean(confusion.diagonal() / confusion.sum(1)))


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (classes, classes): row = true class, column = predicted class."""
    classes = probabilities.shape[1]
    pairs = labels * classes + probabilities.argmax(1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def with_interval(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Accuracy and its 95 % Wilson interval: (accuracy, low, high)."""
    hits = int(np.sum(probabilities.argmax(1) == labels))
    interval = binomtest(hits, len(labels)).proportion_ci(0.95, method="wilson")
    return hits / len(labels), float(interval.low), float(interval.high)


def reported_numbers(
    probabilities: np.ndarray, labels: np.ndarray, equals: np.ndarray
) -> dict[str, Any]:
    """The test columns of a row of runs.csv; ``equals``: indices of the balanced test set."""
    natural = with_interval(probabilities, labels)
    balanced = with_interval(probabilities[equals], labels[equals])
    of_equals = ("test_equals_accuracy", "test_equals_low", "test_equals_high")
    return {
        **dict(zip(("test_accuracy", "test_low", "test_high"), natural, strict=True)),
        **dict(zip(of_equals, balanced, strict=True)),
        "test_balanced_accuracy": balanced_accuracy(probabilities, labels),
    }
