"""Linear rules with a closed form, and scores from what the source task's classifier says.

References
----------
Nguyen et al. 2020, "LEEP: a new measure to evaluate transferability of learned representations".
Tran et al. 2019, "Transferability and hardness of supervised classification tasks".
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats
from sklearn.metrics import mutual_info_score

from transfer.errors import TransferError
from transfer.scores.moments import Moments

#: Regularisations that are tried, in units of the features' mean variance times n.
STRENGTHS = tuple(float(10.0**power) for power in range(-6, 3))
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class LinearRule:
    """The class of features x is the largest of x @ weights + offset."""

    weights: np.ndarray  #: float64 (d, K)
    offset: np.ndarray  #: float64 (K,)

    def hits(self, features: np.ndarray, labels: np.ndarray) -> int:
        """How many of the samples (n, d) get the class in ``labels`` (n,); ties: the lowest."""
        return int(np.sum((features @ self.weights + self.offset).argmax(1) == labels))


def ridge_rules(
    moments: Moments, strengths: tuple[float, ...] = STRENGTHS
) -> tuple[LinearRule, ...]:
    """Ridge regression onto the classes, one rule for each strength of regularisation.

    W = (S + s tr(S) / d I)^-1 C with S the total scatter, C the scatter of features with one-hot
    labels; the intercept is not penalised (Hoerl and Kennard 1970, equation 2.1, centred). The
    probe's score is the validation accuracy of the strength that has the highest: the choice is
    made on the images it is measured on, which flatters it by a little.
    """
    values, vectors = linalg.eigh(moments.total)
    values = np.maximum(values, 0.0)
    unit = float(values.mean()) or 1.0
    projected = vectors.T @ (moments.offsets * moments.counts[:, None]).T  # (d, K)
    shares = moments.counts / moments.samples
    rules = []
    for strength in strengths:
        weights = vectors @ (projected / (values + strength * unit)[:, None])
        rules.append(LinearRule(weights, shares - moments.mean @ weights))
    return tuple(rules)


def nearest_centroid(moments: Moments) -> LinearRule:
    """The class whose training mean m is nearest, |x - m|^2 smallest: x m - |m|^2 / 2 largest.

    A class without training samples is never chosen.
    """
    offset = np.where(moments.counts > 0, -0.5 * (moments.means**2).sum(1), -np.inf)
    return LinearRule(moments.means.T, offset)


def leep(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """LEEP, the mean log of the expected empirical prediction (Nguyen et al. 2020, equation 2).

    With t(x) the source task's probabilities of an image and P(y | z) the distribution of target
    classes given source classes estimated from the t(x), the mean of log sum_z P(y | z) t(x)_z.

    ``probabilities``: float (n, source classes), memory-mapped or not; read in rows, twice.
    ``labels``: int (n,), 0..classes - 1.
    Returns at most 0, and at least minus the entropy of the labels, up to rounding.
    """
    joint = np.zeros((classes, _checked(probabilities, labels, classes)))
    for rows, of_rows in _in_rows(probabilities, labels):
        joint += np.eye(classes)[of_rows].T @ rows
    marginal = joint.sum(0)
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    total = 0.0
    for rows, of_rows in _in_rows(probabilities, labels):
        expected = np.einsum("nz,nz->n", rows, conditional[of_rows])
        total += float(np.log(np.maximum(expected, np.finfo(float).tiny)).sum())
    return total / len(labels)


def nce(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """NCE, minus the conditional entropy H(Y | Z) of target classes given source classes.

    Z is the most probable source class of an image; the mean of log P(y | z), P estimated by
    counting (Tran et al. 2019, the empirical negative conditional entropy). Arguments as `leep`.

    Returns nats, at most 0 and at least minus the entropy of the labels.
    """
    _checked(probabilities, labels, classes)
    source_classes = [rows.argmax(1) for rows, _ in _in_rows(probabilities, labels)]
    information = mutual_info_score(labels, np.concatenate(source_classes))
    return float(min(0.0, information - stats.entropy(np.bincount(labels))))


def _in_rows(
    probabilities: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(labels), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield np.asarray(probabilities[part], np.float64), labels[part]


def _checked(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> int:
    """Number of source classes, if the arguments belong together."""
    fits = probabilities.ndim == 2 and len(probabilities) == len(labels) > 0
    if not fits or not 0 <= labels.min() <= labels.max() < classes:
        raise TransferError(
            f"Expected (n, source classes) probabilities with n labels in 0..{classes - 1}. "
            f"Received: {probabilities.shape}, {labels.shape}."
        )
    return probabilities.shape[1]
