"""First and second moments of features, class by class: all that most scores need."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.errors import TransferError

_MOST_BYTES = 2 << 30  # of the moments of all blocks


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of labelled features (n samples, d channels, K classes)."""

    counts: np.ndarray  #: int64 (K,): samples of each class
    means: np.ndarray  #: float64 (K, d): mean of each class; zero where a class has no sample
    #: float64 (K, d, d): sum of (x - mean of the class)(x - mean of the class)^T over each class
    scatters: np.ndarray
    fourth: float  #: sum of |x - mean of all|^4, for the Ledoit-Wolf shrinkage

    @property
    def samples(self) -> int:
        """n."""
        return int(self.counts.sum())

    @functools.cached_property
    def mean(self) -> np.ndarray:
        """Mean of all samples, (d,)."""
        return self.counts @ self.means / self.samples

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """Means of the classes minus the mean of all, (K, d); zero where a class is empty."""
        return np.where(self.counts[:, None] > 0, self.means - self.mean, 0.0)

    @functools.cached_property
    def between(self) -> np.ndarray:
        """Between-class scatter, (d, d): n_c (m_c - m)(m_c - m)^T summed over classes."""
        return (self.offsets.T * self.counts) @ self.offsets

    @functools.cached_property
    def total(self) -> np.ndarray:
        """Total scatter, (d, d): sum of (x - m)(x - m)^T."""
        return self.scatters.sum(0) + self.between


def moments_of_blocks(
    batches: Iterable[tuple[Sequence[np.ndarray], np.ndarray]], classes: int
) -> list[Moments]:
    """Moments of every block, summed over batches of features and labels.

    Features are (batch, d), or (batch, positions, d): then each position is a sample.
    """
    sums: list[_Sums] = []
    for features, labels in batches:
        if not sums:
            _refuse_too_large([array.shape[-1] for array in features], classes)
            sums = [_Sums(array, classes) for array in features]
        for block, array in zip(sums, features, strict=True):
            block.add(array, labels)
    if not sums or sums[0].counts.sum() < 2:
        raise TransferError("Expected two samples or more. Received: fewer.")
    return [block.moments() for block in sums]


def _refuse_too_large(channels: Sequence[int], classes: int) -> None:
    needed = 8 * classes * sum(d * d for d in channels)
    if needed > _MOST_BYTES:
        raise TransferError(
            f"Expected moments of at most 2 GiB. {classes} classes at this width need "
            f"{needed / 2**30:.1f} GiB; give a smaller --alpha."
        )


class _Sums:
    """Running sums of y = (x - shift, |x - shift|^2); the shift keeps them from cancelling."""

    def __init__(self, first: np.ndarray, classes: int) -> None:
        d = first.shape[-1]
        self.shift = first.reshape(-1, d).mean(0, dtype=np.float64)
        self.counts = np.zeros(classes, np.int64)
        self.sums = np.zeros((classes, d + 1))
        self.products = np.zeros((classes, d + 1, d + 1))

    def add(self, features: np.ndarray, labels: np.ndarray) -> None:
        if len(labels) != len(features) or (
            len(labels) and not 0 <= labels.min() <= labels.max() < len(self.counts)
        ):
            raise TransferError(
                f"Expected {len(features)} labels in 0..{len(self.counts) - 1}. "
                f"Received: {len(labels)} labels."
            )
        if not np.isfinite(features).all():
            raise TransferError("Expected finite features. Received: others; check the weights.")
        samples_an_image = features[0].size // features.shape[-1] if len(features) else 1
        labels = np.repeat(labels, samples_an_image)
        x = features.reshape(-1, features.shape[-1]).astype(np.float64) - self.shift  # (m, d)
        y = np.column_stack([x, np.einsum("md,md->m", x, x)])  # (m, d + 1)
        for label in np.unique(labels):
            of_class = y[labels == label]
            self.counts[label] += len(of_class)
            self.sums[label] += of_class.sum(0)
            self.products[label] += of_class.T @ of_class

    def moments(self) -> Moments:
        counts, sums, products = self.counts[:, None], self.sums[:, :-1], self.products
        means = sums / np.maximum(counts, 1)
        scatters = products[:, :-1, :-1] - np.einsum("ki,kj->kij", sums, means)
        return Moments(
            self.counts, np.where(counts > 0, means + self.shift, 0.0), scatters, self._fourth()
        )

    def _fourth(self) -> float:
        """Sum of |x - m|^4: |x - m|^2 is a y + |m|^2 with a = (-2 m, 1)."""
        n, total = self.counts.sum(), self.sums.sum(0)
        m = total[:-1] / n
        a, m2 = np.append(-2 * m, 1.0), m @ m
        return max(0.0, float(a @ self.products.sum(0) @ a + 2 * m2 * (a @ total) + n * m2**2))
