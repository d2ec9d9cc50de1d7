"""How much two representations of the same images have in common: linear CKA, debiased CKA, SVCCA.

All three are functions of second moments, so they are summed over batches: a stream gives what all
images at once would give, for every pair of blocks in the same pass.

References
----------
Kornblith et al. 2019, "Similarity of neural network representations revisited".
Nguyen, Raghu and Kornblith 2021, "Do wide and deep networks learn the same things?".
Song et al. 2012, "Feature selection via dependence maximization".
Raghu et al. 2017, "SVCCA: singular vector canonical correlation analysis".
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits

from transfer.errors import TransferError

_NEGLIGIBLE = 1e-12
_FEWEST = 4  # samples, for the debiased form


@dataclass(frozen=True, eq=False)
class OwnMoments:
    """Centred moments of one representation x (d).

    Attributes
    ----------
    products : float64 (d, d)
        Sum of x x^T.
    fourth : float
        Sum of |x|^4.
    """

    products: np.ndarray
    fourth: float

    @functools.cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues in rising order (d,) and eigenvectors (d, d): once for all pairs."""
        return linalg.eigh(self.products)


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Centred moments of two representations x (d) and y (e) of the same n samples.

    Attributes
    ----------
    samples : int
    x, y : OwnMoments
    xy : float64 (d, e)
        Sum of x y^T.
    mixed : float
        Sum of |x|^2 |y|^2.
    """

    samples: int
    x: OwnMoments
    y: OwnMoments
    xy: np.ndarray
    mixed: float


def cka(pair: PairMoments) -> float:
    """Linear CKA, |Y^T X|^2 / (|X^T X| |Y^T Y|), centred (Kornblith et al. 2019, equation 4).

    Invariant to rotation and scale of either representation, not to other linear maps.

    Returns
    -------
    float
        0 to 1; 1 for X and X. 0 if a representation does not vary. Biased upwards where samples
        are few: two unrelated representations have about d / n.
    """
    square = _squared(pair.x.products) * _squared(pair.y.products)
    return float(min(_squared(pair.xy) / np.sqrt(square), 1.0)) if square > 0 else 0.0


def debiased_cka(pair: PairMoments) -> float:
    """Linear CKA with the unbiased HSIC in place of all three terms.

    HSIC_1 of Song et al. 2012 (equation 5), as in Nguyen et al. 2021 (equation 3). For linear
    kernels and centred features, n (n - 3) HSIC_1 =

        |Y^T X|^2 - n / (n - 2) sum_i |x_i|^2 |y_i|^2 + sum|x|^2 sum|y|^2 / ((n - 1)(n - 2)).

    Returns
    -------
    float
        -1 to 1, finite from four samples on; 1 for X and X, about 0 for unrelated representations
        however few the samples; 0 if a representation does not vary.

    Raises
    ------
    TransferError
        With fewer than four samples, for which HSIC_1 is not defined.
    """
    if pair.samples < _FEWEST:
        raise TransferError(f"Expected {_FEWEST} samples or more. Received: {pair.samples}.")
    x2, y2 = (float(np.trace(own.products)) for own in (pair.x, pair.y))
    own_x = _unbiased(pair.samples, _squared(pair.x.products), pair.x.fourth, x2 * x2)
    own_y = _unbiased(pair.samples, _squared(pair.y.products), pair.y.fourth, y2 * y2)
    # Both are sums of squares; what is left of rounding would otherwise be divided by rounding.
    if own_x <= _NEGLIGIBLE * x2 * x2 or own_y <= _NEGLIGIBLE * y2 * y2:
        return 0.0
    both = _unbiased(pair.samples, _squared(pair.xy), pair.mixed, x2 * y2)
    return float(np.clip(both / np.sqrt(own_x * own_y), -1.0, 1.0))


def _unbiased(n: int, products: float, norms: float, traces: float) -> float:
    return products - n / (n - 2) * norms + traces / ((n - 1) * (n - 2))


def svcca(pair: PairMoments, kept: float = 0.99) -> float:
    """SVCCA: mean canonical correlation of the directions that hold most of the variance.

    Of either representation the first principal directions with at least ``kept`` of the variance
    are taken (Raghu et al. 2017, section 2); the mean is over as many correlations as the smaller
    of the two has directions.

    Returns
    -------
    float
        0 to 1; 1 for X and X; 0 if a representation does not vary. Needs many more samples than
        directions: with fewer, everything correlates.
    """
    whiten_x, whiten_y = _whitening(pair.x, kept), _whitening(pair.y, kept)
    if min(whiten_x.shape[1], whiten_y.shape[1]) == 0:
        return 0.0
    correlations = linalg.svdvals(whiten_x.T @ pair.xy @ whiten_y)
    return float(np.clip(correlations, 0.0, 1.0).mean())


def _whitening(own: OwnMoments, kept: float) -> np.ndarray:
    """(d, directions): maps centred features to their first principal components, whitened."""
    values, vectors = own.spectrum
    values, vectors = values[::-1], vectors[:, ::-1]
    if values[0] <= 0:
        return np.zeros((len(values), 0))
    shares = np.cumsum(np.maximum(values, 0.0)) / np.maximum(values, 0.0).sum()
    count = int(np.searchsorted(shares, kept * (1 - 1e-12))) + 1
    count = min(count, int((values > _NEGLIGIBLE * values[0]).sum()))
    return vectors[:, :count] / np.sqrt(values[:count])


def _squared(matrix: np.ndarray) -> float:
    return float((matrix**2).sum())


#: The measures by name.
MEASURES: dict[str, Callable[[PairMoments], float]] = {
    "cka": cka,
    "debiased_cka": debiased_cka,
    "svcca": svcca,
}


def pair_moments(x: np.ndarray, y: np.ndarray) -> PairMoments:
    """Moments of two matrices of features, (n, d) and (n, e), row i of both from sample i.

    Raises
    ------
    TransferError
        See `similarity_maps`.
    """
    return _sum_pairs([([x], [y])])[0][0]


def similarity_maps(
    batches: Iterable[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    measures: Sequence[str] = ("cka", "debiased_cka", "svcca"),
) -> dict[str, np.ndarray]:
    """Every block of one network against every block of another, in one pass over batches.

    Parameters
    ----------
    batches : iterable of (features of every block of A, the same of B)
        float (batch, channels) each, the batches of both networks from the same images:
        ``zip(stream(images, ..., weights_a), stream(images, ..., weights_b))``. Batches may differ
        in size.
    measures : names in `MEASURES`

    Returns
    -------
    dict of str to float64 (blocks of A, blocks of B)

    Raises
    ------
    TransferError
        If there are fewer than four samples, or features are not finite or do not belong together.
    """
    # One BLAS thread: matrices this small make more of them wait for each other.
    with threadpool_limits(1, user_api="blas"):
        pairs = _sum_pairs(batches)
        return {
            name: np.array([[MEASURES[name](pair) for pair in row] for row in pairs])
            for name in measures
        }


def _sum_pairs(
    batches: Iterable[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
) -> list[list[PairMoments]]:
    """Sum moments of x with |x|^2 appended, then centre: one pass, exact for any batches.

    Features are shifted by the mean of the first batch, so that centring does not cancel.
    """
    samples, sums = 0, None
    for xs, ys in batches:
        if sums is None:
            shifts = [[array.mean(0, dtype=np.float64) for array in side] for side in (xs, ys)]
            sums = _Sums(shifts[0], shifts[1])
        sums.add(xs, ys)
        samples += len(xs[0])
    if sums is None or samples < _FEWEST:
        raise TransferError(f"Expected {_FEWEST} samples or more. Received: {samples}.")
    return sums.centred(samples)


class _Sums:
    """Running sums over both sides; a block's extended features are (x, |x|^2), d + 1 numbers."""

    def __init__(self, shift_x: list[np.ndarray], shift_y: list[np.ndarray]) -> None:
        self.shifts = (shift_x, shift_y)
        sizes = [[len(shift) + 1 for shift in side] for side in self.shifts]
        self.first = [[np.zeros(size) for size in side] for side in sizes]
        self.own = [[np.zeros((size, size)) for size in side] for side in sizes]
        self.cross = [[np.zeros((a, b)) for b in sizes[1]] for a in sizes[0]]

    def add(self, xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> None:
        extended = [
            [_extended(array, shift) for array, shift in zip(side, shifts, strict=True)]
            for side, shifts in zip((xs, ys), self.shifts, strict=True)
        ]
        if len({len(array) for side in extended for array in side}) != 1:
            raise TransferError("Expected features of the same images. Received: other counts.")
        for side, first, own in zip(extended, self.first, self.own, strict=True):
            for block, array in enumerate(side):
                first[block] += array.sum(0)
                own[block] += array.T @ array
        for row, x in zip(self.cross, extended[0], strict=True):
            for block, y in enumerate(extended[1]):
                row[block] += x.T @ y

    def centred(self, n: int) -> list[list[PairMoments]]:
        firsts_x, firsts_y = self.first
        own = [
            [
                OwnMoments(*_centre(own, first, first, n))
                for own, first in zip(owns, firsts, strict=True)
            ]
            for owns, firsts in zip(self.own, self.first, strict=True)
        ]
        pairs: list[list[PairMoments]] = []
        for i, row in enumerate(self.cross):
            pairs.append([])
            for j, cross in enumerate(row):
                xy, mixed = _centre(cross, firsts_x[i], firsts_y[j], n)
                pairs[i].append(PairMoments(n, own[0][i], own[1][j], xy, mixed))
        return pairs


def _extended(features: np.ndarray, shift: np.ndarray) -> np.ndarray:
    if not np.isfinite(features).all():
        raise TransferError("Expected finite features. Received: others; check the weights.")
    x = features.astype(np.float64) - shift  # (batch, d)
    return np.concatenate([x, (x**2).sum(1, keepdims=True)], axis=1)


def _centre(
    cross: np.ndarray, first_x: np.ndarray, first_y: np.ndarray, n: int
) -> tuple[np.ndarray, float]:
    """Sum of (x - m)(y - k)^T and of |x - m|^2 |y - k|^2 from sums over extended features.

    |x - m|^2 is linear in the extended features: (-2 m, 1) . (x, |x|^2) + |m|^2; likewise for y.
    """
    m, k = first_x[:-1] / n, first_y[:-1] / n
    a, b = np.append(-2 * m, 1.0), np.append(-2 * k, 1.0)
    m2, k2 = float(m @ m), float(k @ k)
    norms = a @ cross @ b + k2 * (a @ first_x) + m2 * (b @ first_y) + n * m2 * k2
    return cross[:-1, :-1] - n * np.outer(m, k), max(float(norms), 0.0)
