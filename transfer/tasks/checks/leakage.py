"""Does the test set repeat the training set?

Frames of a drive look like their neighbours. Split at random by frame, almost every test image has
a near-twin in training, and test accuracy measures memory. Two questions are compared:

- how far is each **test** image from its nearest training image?
- how far is a **training** image from its nearest training image that is *not* its neighbour in
  time: the distance an honest test image would have?

What counts as a neighbour depends on what is known (`LeakageReport.basis`):

``recordings``
    Images of the same recording are neighbours.
``order``
    No recordings, but consecutive images are alike, so the order of the file is the order of time:
    images within five per cent of the file are neighbours.
``none``
    The images are shuffled or independent: every other training image is compared. A random split
    by frame has a ratio of 1 by construction, and so have independent images. Near-twins within
    training, which frames of a drive have and independent images have not, decide between the two;
    where they do not, the verdict is "cannot tell".

The limit of any such distance: a car that laps a small track many times meets every view again, and
then a test frame's neighbour in time is no nearer than the same place one lap earlier (measured on
a drive of 16,856 frames: ratio 0.95 split by frame, 0.90 to 1.05 split by blocks). Only recordings
show that split to be wrong; `transfer.tasks.checks.check` compares them.

Images are compared as grey pictures of at most 12x20, averaged over areas; a distance is the root
mean square difference in grey levels, 0..255.
"""

from dataclasses import dataclass

import numpy as np

from transfer.tasks.dataset import Dataset, Split

_ROWS, _COLUMNS = 12, 20
_BLOCK = 128
_NEIGHBOURHOOD = 0.05  # of the training images, where only their order is known
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
#: A ratio of medians below this is leakage.
LOW_RATIO = 0.5
#: So is this share of test images closer than the first percentile (honest splits: up to 0.07).
HIGH_SHARE = 0.1
#: Without known neighbours: near-twins are this close, compared with two images at random.
TWINS = 0.1
#: Without known neighbours: test images this much farther than training's own are honest.
HONEST_RATIO = 1.2

_IN_WORDS = {
    "leakage": "yes, test images have near-twins in training",
    "none seen": "none seen",
    "cannot tell": "cannot tell, the images are shuffled and no recordings are known",
}


@dataclass(frozen=True)
class LeakageReport:
    """Distances of test images to training images, and what they are compared with.

    Attributes
    ----------
    basis : {"recordings", "order", "none"}
        What counts as a neighbour in time; see the module.
    test_median : float
        Median distance of a test image to its nearest training image, grey levels.
    train_median : float
        The same for training images, neighbours in time left out.
    random_median : float
        Median distance of two training images drawn at random.
    ratio : float
        ``test_median / train_median``; about 1 or more in an honest split.
    share_closer : float
        Share of test images closer than the first percentile of the training distances; about
        0.01 in an honest split.
    verdict : {"leakage", "none seen", "cannot tell"}
    """

    basis: str
    test_median: float
    train_median: float
    random_median: float
    ratio: float
    share_closer: float
    verdict: str

    @property
    def flagged(self) -> bool:
        """Whether the verdict is leakage."""
        return self.verdict == "leakage"

    def lines(self) -> list[str]:
        """The report in words, with its numbers."""
        left_out = {
            "recordings": "outside its own recording",
            "order": f"at least {_NEIGHBOURHOOD:.0%} of the file away",
            "none": "anywhere: neither recordings nor the order of the file tell neighbours",
        }[self.basis]
        return [
            f"nearest training image of a test image: median distance {self.test_median:.2f}",
            f"nearest training image of a training image, {left_out}: {self.train_median:.2f}",
            f"two training images at random: {self.random_median:.2f} (grey levels, 0..255)",
            f"ratio {self.ratio:.2f} (honest: 1 or more); "
            f"{self.share_closer:.1%} of test images below its first percentile (honest: 1 %)",
            f"leakage: {_IN_WORDS[self.verdict]}",
        ]


def leakage(dataset: Dataset, *, queries: int = 2000, seed: int = 0) -> LeakageReport:
    """Compare the test images' distances to training with those within training.

    Parameters
    ----------
    dataset : Dataset
    queries : int
        At most so many test and so many training images ask for their nearest training image;
        all training images answer.
    seed : int
        Which ask is a function of it.
    """
    rng = np.random.default_rng(seed)
    train = small_grey(dataset.train.images)
    test = small_grey(dataset.test.images[sample(len(dataset.test.images), queries, rng)])
    asking = sample(len(train), queries, rng)
    random_median = _median_of_random_pairs(train, rng)
    basis, keys, window = _neighbours(dataset.train, train, random_median)
    to_train = nearest(test, train)
    within = nearest(train[asking], train, keys[asking], keys, window)
    test_median, train_median = float(np.median(to_train)), float(np.median(within))
    ratio = test_median / train_median if train_median else 1.0
    share = float(np.mean(to_train < np.percentile(within, 1)))
    verdict = _verdict(basis, ratio, share, train_median < TWINS * random_median)
    return LeakageReport(basis, test_median, train_median, random_median, ratio, share, verdict)


def _verdict(basis: str, ratio: float, share: float, twins: bool) -> str:
    # In a file whose order is time, the neighbourhood left out may be wider than an honest gap:
    # there a few test images may be closer than the first percentile.
    if ratio < LOW_RATIO or (share > HIGH_SHARE and basis != "order"):
        return "leakage"
    if basis != "none" or ratio >= HONEST_RATIO:
        return "none seen"
    return "leakage" if twins else "cannot tell"


def small_grey(images: np.ndarray) -> np.ndarray:
    """Grey pictures of at most 12x20, averaged over areas.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)

    Returns
    -------
    float32 (N, min(H, 12) * min(W, 20))
        0..255.
    """
    height, width = images.shape[1:3]
    rows = _averages(height, min(height, _ROWS))  # (12, H)
    columns = _averages(width, min(width, _COLUMNS)).T  # (W, 20)
    small = np.empty((len(images), rows.shape[0] * columns.shape[1]), dtype=np.float32)
    for start in range(0, len(images), _BLOCK):
        grey = images[start : start + _BLOCK].astype(np.float32) @ _LUMA  # (b, H, W)
        small[start : start + _BLOCK] = (rows @ grey @ columns).reshape(len(grey), -1)
    return small


def _averages(length: int, parts: int) -> np.ndarray:
    """Matrix (parts, length) that averages a line over equal parts, broken pixels by area."""
    edges = np.linspace(0, length, parts + 1)
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    overlap = np.minimum(right, pixel + 1) - np.maximum(left, pixel)
    return (np.maximum(overlap, 0) * parts / length).astype(np.float32)


def nearest(
    queries: np.ndarray,
    train: np.ndarray,
    query_keys: np.ndarray | None = None,
    train_keys: np.ndarray | None = None,
    window: int = 0,
) -> np.ndarray:
    """Root mean square distance of each query to the nearest row of ``train``.

    Parameters
    ----------
    queries : float32 (M, D)
    train : float32 (N, D)
    query_keys, train_keys : int64 (M,), (N,), optional
        Pairs whose keys differ by at most ``window`` are left out.

    Returns
    -------
    float32 (M,)
        Infinite where every row is left out.
    """
    centre = train.mean(axis=0)  # smaller numbers: less cancellation in |q|^2 + |t|^2 - 2 q t
    centred = train - centre
    norms = (centred**2).sum(axis=1)
    distances = np.empty(len(queries), dtype=np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        squared = norms - 2 * ((block - centre) @ centred.T)  # (b, N), up to |q|^2
        if query_keys is not None and train_keys is not None:
            away = np.abs(query_keys[start : start + _BLOCK, None] - train_keys)
            squared[away <= window] = np.inf
        best = np.argmin(squared, axis=1)
        found = np.sqrt(((block - train[best]) ** 2).mean(axis=1))  # exact for the pair found
        alone = np.isinf(squared[np.arange(len(block)), best])
        distances[start : start + _BLOCK] = np.where(alone, np.inf, found)
    return distances


def _neighbours(
    split: Split, train: np.ndarray, random_median: float
) -> tuple[str, np.ndarray, int]:
    """How neighbours in time are known: the basis, a key per image, the window of keys."""
    if split.recordings is not None and len(np.unique(split.recordings)) > 1:
        return "recordings", split.recordings, 0
    order = np.arange(len(train))
    consecutive = np.median(np.sqrt(((train[1:] - train[:-1]) ** 2).mean(axis=1)))
    window = max(1, int(_NEIGHBOURHOOD * len(train)))
    if consecutive < 0.5 * random_median and len(train) > 2 * window + 1:
        return "order", order, window
    return "none", order, 0


def _median_of_random_pairs(train: np.ndarray, rng: np.random.Generator) -> float:
    one, other = rng.integers(0, len(train), (2, 2000))
    distances = np.sqrt(((train[one] - train[other]) ** 2).mean(axis=1))
    return float(np.median(distances[one != other]))


def sample(count: int, limit: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``limit`` of the numbers below ``count``, in order."""
    return np.sort(rng.choice(count, size=min(count, limit), replace=False))
