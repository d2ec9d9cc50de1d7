"""How well features serve a target task, without training: scores in closed form.

The scores in `MOMENT_SCORES` and the linear rules are computed from the class-wise `Moments` of
the features alone; LEEP and NCE from what the source task's classifier says of images. Higher is
better. Scores rank representations of one data set; values of different data sets cannot be
compared.

References
----------
Bao et al. 2019, "An information-theoretic approach to transferability in task transfer learning".
Huang et al. 2022, "Frustratingly easy transferability estimation".
Ibrahim et al. 2021, "Newer is not always better: rethinking transferability metrics".
Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
Nguyen et al. 2020, "LEEP: a new measure to evaluate transferability of learned representations".
Tran et al. 2019, "Transferability and hardness of supervised classification tasks".
You et al. 2021, "LogME: practical assessment of pre-trained models for transfer learning".
Bishop 2006, "Pattern recognition and machine learning", section 3.5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, stats
from sklearn.metrics import mutual_info_score

from transfer.errors import TransferError
from transfer.scores.moments import Moments

# A direction with less than this share of the squared length of the features (not of their
# variance) counts as constant: float32 features that do not vary still vary by rounding.
_NEGLIGIBLE = 1e-12
#: Regularisations that are tried, in units of the features' mean variance times n.
STRENGTHS = tuple(float(10.0**power) for power in range(-6, 3))
_ROWS_AT_ONCE = 1024
_RATIO = (-12.0, 12.0)  # log10 of the bounds of alpha / beta, in units of the mean eigenvalue


def logme(moments: Moments) -> float:
    """LogME: the maximum evidence of a linear model of the labels, mean over classes.

    For the 0/1 labels y of a class and features F (n, d), with weights ~ N(0, I / alpha) and noise
    of precision beta, y ~ N(0, I / beta + F F^T / alpha); the log evidence is (You et al. 2021,
    equation 2; Bishop 2006, equation 3.86)

        n/2 log beta + d/2 log alpha - n/2 log 2 pi - beta/2 |F m - y|^2 - alpha/2 m^T m
        - 1/2 log |alpha I + beta F^T F|.

    The score is its maximum over alpha and beta, divided by n. The paper iterates a fixed point;
    here the best beta for a given alpha / beta is put in (closed form) and the ratio, within
    1e-12 to 1e12 of the mean eigenvalue of F^T F, is searched in one dimension: the same maximum,
    also where the iteration is slow. Features are not centred. Invariant to rotation and scale.

    Returns log evidence a sample; large and positive for labels that are a linear function of the
    features, where it would diverge without the bounds.
    """
    n, means, counts = moments.samples, moments.means, moments.counts
    gram = moments.scatters.sum(0) + (means.T * counts) @ means  # F^T F
    values, vectors = linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    projected = vectors.T @ (means * counts[:, None]).T  # V^T F^T y, (d, K)
    unit = values.mean() or 1.0
    evidences = [
        _best_evidence(values / unit, z / np.sqrt(unit), float(count), n)
        for z, count in zip(projected.T, counts, strict=True)
        if count
    ]
    return float(np.mean(evidences))


def _best_evidence(values: np.ndarray, z: np.ndarray, y2: float, n: int) -> float:
    """Maximum over alpha / beta = r of the log evidence a sample; ``y2`` is y^T y."""

    def minus_evidence(log_ratio: float) -> float:
        ratio = 10.0**log_ratio
        # y^T (I + F F^T / r)^-1 y / n is 1 / beta; a perfect fit is cut off at rounding.
        noise = max(y2 - float(z**2 @ (1 / (values + ratio))), 1e-14 * y2) / n
        penalty = float(np.log1p(values / ratio).sum()) / n
        return 0.5 * (np.log(2 * np.pi * noise) + 1 + penalty)

    grid = np.linspace(*_RATIO, 49)
    best = int(np.argmin([minus_evidence(value) for value in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    optimum = optimize.minimize_scalar(minus_evidence, bounds=(low, high), method="bounded")
    return -min(float(optimum.fun), minus_evidence(grid[best]))


def h_score(moments: Moments) -> float:
    """H-score, tr(cov(f)^-1 cov(E[f | y])) (Bao et al. 2019, definition 2).

    Directions in which the features do not vary are left out (pseudo-inverse). Invariant to every
    invertible linear map of the features.

    Returns 0 (class means coincide) to K - 1 (no variance within classes; also whenever there are
    no more samples than channels, which is why the regularised form exists).
    """
    return _h_score(moments, 0.0)


def h_score_regularised(moments: Moments) -> float:
    """H-score with a shrunk covariance: tr(cov_a(f)^-1 (1 - a) cov(E[f | y])).

    cov_a = (1 - a) cov + a (tr cov / d) I with the a of Ledoit and Wolf 2004 (Ibrahim et al. 2021,
    the shrinkage-based H-score). Invariant to rotation and scale.

    Returns 0 to K - 1; 0 for features that do not vary.
    """
    return _h_score(moments, ledoit_wolf(moments))


def _h_score(moments: Moments, a: float) -> float:
    values, vectors = linalg.eigh(moments.total / moments.samples)
    shrunk = (1 - a) * np.maximum(values, 0.0) + a * values.mean()
    squared_length = np.trace(moments.total) / moments.samples + moments.mean @ moments.mean
    kept = shrunk > _NEGLIGIBLE * squared_length
    rotated = moments.offsets @ vectors[:, kept]
    shares = moments.counts / moments.samples
    return float((1 - a) * shares @ (rotated**2 @ (1 / shrunk[kept])))


def ledoit_wolf(moments: Moments) -> float:
    """Shrinkage of the covariance towards a multiple of the identity, 0..1.

    Ledoit and Wolf 2004: b^2 / d^2 with d^2 = |S - mu I|^2 and
    b^2 = min(d^2, mean of |x x^T - S|^2 / n), S the covariance, x centred.
    """
    n, d = moments.samples, len(moments.total)
    covariance = moments.total / n
    squared = float((covariance**2).sum())
    distance = squared - float(np.trace(covariance)) ** 2 / d
    if distance <= _NEGLIGIBLE * squared:
        return 0.0 if squared == 0 else 1.0
    error = (moments.fourth / n - squared) / n
    return float(np.clip(error / distance, 0.0, 1.0))


def transrate(moments: Moments, distortion: float = 1e-4) -> float:
    """TransRate, R(Z) - R(Z | Y): the fall of the coding rate when the class is known.

    R(Z) = 1/2 log |I + Z^T Z / (n distortion)| with Z centred, and R(Z | Y) the mean of the rates
    of the classes, each with its own n_c and about the same centre, every class with the same
    weight, as in the listing of Huang et al. 2022. Invariant to rotation, not to scale.

    Returns nats. The value can be negative when classes differ in size.
    """
    classes = zip(moments.counts, moments.scatters, moments.offsets, strict=True)
    rates = [
        _rate(scatter / count + np.outer(offset, offset), distortion)
        for count, scatter, offset in classes
        if count
    ]
    return _rate(moments.total / moments.samples, distortion) - float(np.mean(rates))


def _rate(covariance: np.ndarray, distortion: float) -> float:
    sign_and_log = np.linalg.slogdet(np.eye(len(covariance)) + covariance / distortion)
    return 0.5 * float(sign_and_log[1])


def class_separation(moments: Moments) -> float:
    """Share of the variance of the features that lies between class means, 0..1.

    tr(between-class scatter) / tr(total scatter): what the rule of the nearest centroid has to
    work with. Invariant to rotation and scale; 0 for features that do not vary.
    """
    total = float(np.trace(moments.total))
    return float(np.trace(moments.between)) / total if total > 0 else 0.0


#: The scores that need no more than moments, by their names in scores.csv.
MOMENT_SCORES: dict[str, Callable[[Moments], float]] = {
    "logme": logme,
    "h_score": h_score,
    "h_score_regularised": h_score_regularised,
    "transrate": transrate,
    "class_separation": class_separation,
}


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
