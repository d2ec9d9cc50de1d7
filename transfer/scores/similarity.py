"""How much two representations of the same images have in common: CKA, debiased CKA, SVCCA.

Kornblith et al. 2019, "Similarity of neural network representations revisited". Nguyen, Raghu and
Kornblith 2021, "Do wide and deep networks learn the same things?". Song et al. 2012, "Feature
selection via dependence maximization". Raghu et al. 2017, "SVCCA: singular vector canonical
correlation analysis".
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import linalg
from threadpoolctl import threadpool_limits

from transfer.errors import TransferError
from transfer.networks.backbone import Architecture
from transfer.networks.weights import read_weights
from transfer.scores.representation import batch_size, feature_function, stream
from transfer.tables import read_table, upsert

_NEGLIGIBLE = 1e-12
_FEWEST_IMAGES = 4  # for the debiased form


@dataclass(frozen=True, eq=False)
class Centred:
    """Features of one block, centred, with what every comparison needs of them."""

    x: np.ndarray  #: float64 (n, d): row i is image i; every column has the mean 0

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """|x_i|^2 of every image, (n,)."""
        return np.einsum("nd,nd->n", self.x, self.x)

    @functools.cached_property
    def principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Left singular vectors (n, k) and singular values (k,), falling."""
        u, values, _ = linalg.svd(self.x, full_matrices=False)
        return u, values


def centred(features: np.ndarray) -> Centred:
    """Features (n, d) as the measures take them.

    A channel whose variance is less than 1e-12 of its mean square counts as constant.

    Raises `TransferError` if there are fewer than four images, or a feature is not finite.
    """
    if len(features) < _FEWEST_IMAGES:
        raise TransferError(f"Expected {_FEWEST_IMAGES} images or more. Received: {len(features)}.")
    if not np.isfinite(features).all():
        raise TransferError("Expected finite features. Received: others; check the weights.")
    x = features.astype(np.float64)
    squares = (x**2).sum(0)
    x -= x.mean(0)
    x[:, (x**2).sum(0) <= _NEGLIGIBLE * squares] = 0
    return Centred(x)


def cka(a: Centred, b: Centred) -> float:
    """Linear CKA, |Y^T X|^2 / (|X^T X| |Y^T Y|), centred (Kornblith et al. 2019, equation 4).

    Invariant to rotation and scale of either representation, not to other linear maps.

    Returns 0 to 1; 1 for X and X. 0 if a representation does not vary. Biased upwards where images
    are few: two unrelated representations have about d / n.
    """
    square = _product(a, a) * _product(b, b)
    return float(min(_product(a, b) / np.sqrt(square), 1.0)) if square > 0 else 0.0


def debiased_cka(a: Centred, b: Centred) -> float:
    """Linear CKA with unbiased estimates of all three terms.

    HSIC_1 of Song et al. 2012 (equation 5), as in Nguyen et al. 2021 (equation 3). For linear
    kernels and centred features, n (n - 3) HSIC_1 =

        |Y^T X|^2 - n / (n - 2) sum_i |x_i|^2 |y_i|^2 + sum|x|^2 sum|y|^2 / ((n - 1)(n - 2)).

    Returns -1 to 1; 1 for X and X, about 0 for unrelated representations however few the images; 0
    if a representation does not vary.
    """
    own_a, own_b = _unbiased(a, a), _unbiased(b, b)
    # Both are sums of squares; what is left of rounding would otherwise be divided by rounding.
    if any(own <= _NEGLIGIBLE * side.lengths.sum() ** 2 for own, side in ((own_a, a), (own_b, b))):
        return 0.0
    return float(np.clip(_unbiased(a, b) / np.sqrt(own_a * own_b), -1.0, 1.0))


def svcca(a: Centred, b: Centred, kept: float = 0.99) -> float:
    """SVCCA: mean canonical correlation of the directions that hold most of the variance.

    Of either representation the first principal directions with at least ``kept`` of the variance
    are taken (Raghu et al. 2017, section 2); the mean is over as many correlations as the smaller
    of the two has directions.

    Returns 0 to 1; 1 for X and X; 0 if a representation does not vary. Needs many more images than
    directions: with fewer, everything correlates.
    """
    _same_images(a, b)
    first, second = _directions(a, kept), _directions(b, kept)
    if not (first.size and second.size):
        return 0.0
    return float(np.clip(linalg.svdvals(first.T @ second), 0.0, 1.0).mean())


def _product(a: Centred, b: Centred) -> float:
    """|Y^T X|^2, the squared Frobenius norm."""
    _same_images(a, b)
    return float(((a.x.T @ b.x) ** 2).sum())


def _same_images(a: Centred, b: Centred) -> None:
    if len(a.x) != len(b.x):
        raise TransferError(
            f"Expected features of the same images. Received: {len(a.x)} and {len(b.x)} images."
        )


def _unbiased(a: Centred, b: Centred) -> float:
    n = len(a.x)
    norms, sums = float(a.lengths @ b.lengths), float(a.lengths.sum() * b.lengths.sum())
    return _product(a, b) - n / (n - 2) * norms + sums / ((n - 1) * (n - 2))


def _directions(side: Centred, kept: float) -> np.ndarray:
    """The first principal components of the images, each of length 1: (n, directions)."""
    u, values = side.principal
    variances = values**2
    if variances[0] <= 0:
        return u[:, :0]
    shares = np.cumsum(variances) / variances.sum()
    count = int(np.searchsorted(shares, kept * (1 - 1e-12))) + 1
    return u[:, : min(count, int((variances > _NEGLIGIBLE * variances[0]).sum()))]


#: The measures by name.
MEASURES: dict[str, Callable[[Centred, Centred], float]] = {
    "cka": cka,
    "debiased_cka": debiased_cka,
    "svcca": svcca,
}
COLUMNS = ("pair", "block_a", "block_b", *MEASURES)


def compare_networks(
    images: np.ndarray, architecture: Architecture, pairs: Mapping[str, tuple[Path, Path]]
) -> pd.DataFrame:
    """Similarity of every block of one network to every block of another, for each pair.

    By pooled features of the same images, the stem as block 0. ``pairs``: two weight files by name.
    """
    # All files first: a missing one is reported before anything slow begins.
    weights = {path: read_weights(path, architecture) for both in pairs.values() for path in both}
    batch = batch_size(architecture)
    features = {}
    for path, values in weights.items():
        batches = stream(images, feature_function(architecture, values), batch)
        blocks = zip(*batches, strict=True)
        features[path] = [centred(np.concatenate(of_block)) for of_block in blocks]
    rows = []
    # One BLAS thread: on matrices this small more of them wait for each other.
    with threadpool_limits(1, user_api="blas"):
        for name, paths in pairs.items():
            for (i, a), (j, b) in itertools.product(*(enumerate(features[path]) for path in paths)):
                rows.append((name, i, j, *(measure(a, b) for measure in MEASURES.values())))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_similarity(out: str | Path, table: pd.DataFrame) -> Path:
    """Put pairs into ``OUT/similarity.csv``, in place of earlier ones of the same names."""
    return upsert(Path(out) / "similarity.csv", table, ("pair",))


def read_similarity(out: str | Path) -> pd.DataFrame:
    """``OUT/similarity.csv`` as from `compare_networks`."""
    path = Path(out) / "similarity.csv"
    types = {"pair": "string", "block_a": "int64", "block_b": "int64"}
    frame = read_table(path, COLUMNS, {**dict.fromkeys(MEASURES, "float64"), **types})
    if frame.empty or frame.isna().any(axis=None):
        raise TransferError(f"Expected similarities in {path}. It is empty, missing or malformed.")
    return frame
