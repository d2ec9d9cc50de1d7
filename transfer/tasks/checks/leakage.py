"""Does the test set repeat the training set? Frames of a drive look like their neighbours.

The distance from a test image to its nearest training image is compared with that from a training
image to its nearest one that is not its neighbour in time: of another recording
(`LeakageReport.basis`: ``recordings``) or, where consecutive images are alike, more than five per
cent of the file away (``order``). Where the images are shuffled or independent (``none``), all
others are compared. A random split by frame then has a ratio of 1 too; near-twins within training
tell, or nothing does. A car that laps a small track meets every view again (measured on 16,856
frames: ratio 0.95 split by frame, 0.90 to 1.05 split by time): only recordings show that such a
split is wrong. Images are compared as grey pictures of at most 12x20, by root mean square
difference in grey levels, 0..255.
"""

from dataclasses import dataclass

import numpy as np

from transfer.tasks.checks.pictures import sample, small_grey
from transfer.tasks.dataset import Dataset, Split

_BATCH = 128
_NEIGHBOURHOOD = 0.05  # of the training images, where only their order is known
_LOW_RATIO = 0.5  # of medians: below it is leakage
_HIGH_SHARE = 0.1  # of test images below the first percentile; honest splits: up to 0.09
# With fewer recordings the first percentile is that of one or two of them: simulated drives, split
# honestly, had shares up to 0.97 with 3 recordings, 0.22 with 6, 0.11 with 20.
_FEWEST_RECORDINGS = 50
_TWINS = 0.1  # near-twins are this close, compared with two images at random
_HONEST_RATIO = 1.2  # test images this much farther than training's own are honest

_IN_WORDS = {
    "leakage": "yes, test images have near-twins in training",
    "none seen": "none seen",
    "cannot tell": "cannot tell, the images are shuffled and no recordings are known",
}


@dataclass(frozen=True)
class LeakageReport:
    """Distances of test images to training images, and what they are compared with."""

    #: what counts as a neighbour in time, "recordings", "order" or "none"; see the module
    basis: str
    #: median distance of a test image to its nearest training image, grey levels
    test_median: float
    train_median: float  #: the same for training images, neighbours in time left out
    random_median: float  #: median distance of two training images drawn at random
    ratio: float  #: ``test_median / train_median``; about 1 or more in an honest split
    #: share of test images closer than the first percentile of the training distances; about 0.01
    #: in an honest split
    share_closer: float
    judged: bool  #: whether ``share_closer`` counts; not with few recordings, or an order alone
    verdict: str  #: "leakage", "none seen" or "cannot tell"

    def lines(self) -> list[str]:
        """The report in words, with its numbers."""
        left_out = {
            "recordings": "outside its own recording",
            "order": f"at least {_NEIGHBOURHOOD:.0%} of the file away",
            "none": "anywhere: neighbours in time are not known",
        }[self.basis]
        honest = "honest: 1 %" if self.judged else "not judged: too few recordings are known"
        return [
            f"nearest training image of a test image: median distance {self.test_median:.2f}",
            f"nearest training image of a training image, {left_out}: {self.train_median:.2f}",
            f"two training images at random: {self.random_median:.2f} (grey levels, 0..255)",
            f"ratio {self.ratio:.2f} (honest: 1 or more); "
            f"{self.share_closer:.1%} of test images below its first percentile ({honest})",
            f"leakage: {_IN_WORDS[self.verdict]}",
        ]


def leakage(dataset: Dataset, *, queries: int = 2000, seed: int = 0) -> LeakageReport:
    """Compare the test images' distances to training with those within training.

    At most ``queries`` test images, and as many training images, look for their nearest neighbour
    among all training images; ``seed`` decides which.
    """
    rng = np.random.default_rng(seed)
    train = small_grey(dataset.train.images)
    test = small_grey(dataset.test.images[sample(len(dataset.test.images), queries, rng)])
    asking = sample(len(train), queries, rng)
    one, other = rng.integers(0, len(train), (2, 2000))
    apart = np.sqrt(((train[one] - train[other]) ** 2).mean(axis=1))[one != other]
    random_median = float(np.median(apart))
    basis, keys, window = _neighbours(dataset.train, train, random_median)
    to_train = nearest(test, train)
    within = nearest(train[asking], train, keys[asking], keys, window)
    test_median, train_median = float(np.median(to_train)), float(np.median(within))
    ratio = test_median / train_median if train_median else 1.0
    share = float(np.mean(to_train < np.percentile(within, 1)))
    # In a file whose order is time, the neighbourhood left out may be wider than an honest gap:
    # there a few test images may be closer than the first percentile.
    judged = basis == "none" or (
        basis == "recordings" and len(np.unique(keys)) >= _FEWEST_RECORDINGS
    )
    if ratio < _LOW_RATIO or (share > _HIGH_SHARE and judged):
        verdict = "leakage"
    elif basis != "none" or ratio >= _HONEST_RATIO:
        verdict = "none seen"
    elif train_median < _TWINS * random_median:
        verdict = "leakage"
    else:
        verdict = "cannot tell" if dataset.frames else "none seen"
    return LeakageReport(
        basis, test_median, train_median, random_median, ratio, share, judged, verdict
    )


def nearest(
    queries: np.ndarray,
    train: np.ndarray,
    query_keys: np.ndarray | None = None,
    train_keys: np.ndarray | None = None,
    window: int = 0,
) -> np.ndarray:
    """Root mean square distance of each query to the nearest row of ``train``: float32 (M,).

    Pairs whose keys differ by at most ``window`` are left out; where all are, it is infinite.
    """
    centre = train.mean(axis=0)  # smaller numbers: less cancellation in |q|^2 + |t|^2 - 2 q t
    centred = train - centre
    norms = (centred**2).sum(axis=1)
    distances = np.empty(len(queries), dtype=np.float32)
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        squared = norms - 2 * ((batch - centre) @ centred.T)  # (b, N), up to |q|^2
        if query_keys is not None and train_keys is not None:
            away = np.abs(query_keys[start : start + _BATCH, None] - train_keys)
            squared[away <= window] = np.inf
        best = np.argmin(squared, axis=1)
        exact = np.sqrt(((batch - train[best]) ** 2).mean(axis=1))
        alone = np.isinf(squared[np.arange(len(batch)), best])
        distances[start : start + _BATCH] = np.where(alone, np.inf, exact)
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
