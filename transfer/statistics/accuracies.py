"""Accuracies of networks on the same test images, and how much of each is luck of the images.

Neighbouring frames of a drive are alike, so images are not independent. They are grouped into
clusters, and variances are computed from the sums over clusters (Liang and Zeger 1986).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from transfer.errors import TransferError

METRICS = ("balanced", "accuracy")
#: Frames in a segment where recordings are not known. Measured on simulated drives: the standard
#: error of a difference grows until segments are as long as a recording, 50 frames, and no further.
SEGMENT = 50
#: With fewer clusters than this, a variance is hardly known: segments are then made shorter.
FEWEST_CLUSTERS = 20


def clusters_of(images: int, recordings: np.ndarray | None = None) -> np.ndarray:
    """The cluster of every test image; images are in the order of time.

    A cluster is a recording. Where recordings are unknown, or fewer than 20, each is divided into
    segments of at least 50 neighbouring frames: frames that far apart are taken as independent.
    A test set of fewer than 1,000 images has shorter segments, so that 20 are left.

    ``images``: number of test images.
    ``recordings``: int (images,), the recording of each image, if known. A photograph is a
    recording of its own.
    Returns int64 (images,), numbers from 0 without gaps.
    """
    known = np.zeros(images, int) if recordings is None else np.asarray(recordings)
    if known.shape != (images,):
        raise TransferError(
            f"Expected a recording for each of {images} test images. Received: {known.shape}."
        )
    names, recording = np.unique(known, return_inverse=True)
    if len(names) >= FEWEST_CLUSTERS:
        return recording
    length = max(1, min(SEGMENT, images // FEWEST_CLUSTERS))
    clusters = np.empty(images, int)
    first = 0
    for number in range(len(names)):
        here = np.flatnonzero(recording == number)
        pieces = max(1, len(here) // length)
        clusters[here] = first + np.arange(len(here)) * pieces // len(here)
        first += pieces
    return clusters


@dataclass(frozen=True)
class Accuracies:
    """Accuracies of networks on the same test images; every array begins with the network."""

    #: tuple of float64 (seeds,): accuracy of each run of each network, 0..1; balanced, or plain
    by_seed: tuple[np.ndarray, ...]
    #: float64 (networks, clusters): influence of each cluster on the mean accuracy of the network
    sums: np.ndarray
    #: float64 (networks,): variance over runs that is due to the finite test set: other images
    #: would order the runs otherwise. NaN where there is one run.
    interaction: np.ndarray
    images: int  #: test images

    @property
    def mean(self) -> np.ndarray:
        """Mean accuracy over runs, float64 (networks,)."""
        return np.array([values.mean() for values in self.by_seed])

    @property
    def seeds(self) -> np.ndarray:
        """Runs of each network, int (networks,)."""
        return np.array([len(values) for values in self.by_seed])

    def covariance(self) -> np.ndarray:
        """Covariance of mean accuracies over other test images, float64 (networks, networks)."""
        return self.sums @ self.sums.T


def measure(
    right: Sequence[np.ndarray],
    labels: np.ndarray,
    clusters: np.ndarray,
    classes: int,
    metric: str = "balanced",
) -> Accuracies:
    """Accuracies of networks from which images they classify correctly.

    Balanced accuracy is the mean over classes of the share of images found. Image i of class c,
    with N_c images, has the influence ``(right_i - recall_c) / (classes N_c)``. The sum over the
    n_c images of a class in a cluster is divided by ``sqrt(1 - n_c / N_c)``, so that squares are
    right on average although the recall is estimated from the same images (CR2: Bell and
    McCaffrey 2002). Plain accuracy is the same with all images in one class. Images of a class that
    lies in one cluster only are taken as independent: nothing shows how alike they are.

    ``right``: an array (runs, images) for each network: 1 where a run is right. Numbers between are
    shares of several runs; a difference of two runs has -1, 0 and 1.
    ``labels``: int (images,), 0 to ``classes - 1``.
    ``clusters``: int (images,), as from `clusters_of`.
    """
    if metric not in METRICS:
        raise TransferError(f"Expected a metric of {', '.join(METRICS)}. Received: {metric}.")
    images = len(labels)
    group = np.zeros(images, int) if metric == "accuracy" else np.asarray(labels)
    count = np.bincount(group, minlength=1 if metric == "accuracy" else classes)
    if not count.all():
        raise TransferError(
            f"Expected test images of every class. There are none of class "
            f"{int(count.argmin())}, so balanced accuracy is not defined: use --metric accuracy."
        )
    column = np.asarray(clusters)
    for name in range(len(count)):
        own = np.flatnonzero(group == name)
        if len(np.unique(column[own])) == 1:
            column = column.copy()
            column[own] = column.max() + 1 + np.arange(len(own))
    number = int(column.max()) + 1
    if number < 2:
        raise TransferError("Expected two or more test images. Received: one.")
    weight = 1 / (len(count) * count[group])
    # (images, classes * clusters): the share of an image in its class and cluster.
    shares = sparse.csr_array(
        (weight, (np.arange(images), group * number + column)), shape=(images, len(count) * number)
    )
    size = shares.sum(axis=0).reshape(len(count), number)
    runs = np.concatenate([np.asarray(network, float) for network in right])
    hits = (runs @ shares).reshape(len(runs), len(count), number)
    recall = len(count) * hits.sum(2)  # (runs, classes)
    rest = np.maximum(1 - len(count) * size, 1 / images)  # 0 for a class of one image
    influence = ((hits - recall[:, :, None] * size) / np.sqrt(rest)).sum(1)  # (runs, clusters)
    ends = np.cumsum([len(network) for network in right])[:-1]
    by_seed = np.split(recall.mean(1), ends)
    sums, interaction = [], []
    for own in np.split(influence, ends):
        sums.append(own.mean(0))
        spread = ((own - sums[-1]) ** 2).sum()
        interaction.append(spread / (len(own) - 1) if len(own) > 1 else np.nan)
    return Accuracies(tuple(by_seed), np.array(sums), np.array(interaction), images)
