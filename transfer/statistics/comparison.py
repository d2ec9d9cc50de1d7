"""Networks of a study compared on the same test images."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from transfer import results
from transfer.errors import TransferError
from transfer.runs import KINDS
from transfer.statistics.accuracies import METRICS, Accuracies, clusters_of, measure
from transfer.statistics.differences import Difference, correlation, difference
from transfer.statistics.rules import against_best, critical, step_down
from transfer.statistics.seeds import paired, seed_variance
from transfer.study_file import rounds

LEVEL = 0.05
#: A study that goes on until it is decided is looked at up to six times. Each look has this level,
#: so that all six have 5 % together (Pocock 1977; simulated in ``benchmarks/until_decided.py``).
LOOKS, LEVEL_OF_A_LOOK = 6, 0.0152

#: Of a class, for a claim: with fewer, runs that are all right or all wrong look free of chance.
FEWEST_IMAGES = 20

Key = tuple[str, int | None, str]  # kind, n, bn
BASE: Key = ("baseB", None, "")


@dataclass(frozen=True)
class Comparison:
    """Is a network as good as a reference, or worse by more than ``margin``?

    ``difference``: accuracy of the network minus that of the reference.
    ``margin``: 0..1 units.
    ``p``: p-value of the test that it is worse by the margin or more. For AnB and slices it is
    adjusted for their number, since any of them may be taken.
    ``at_least``: the difference is at least this, at 95 %; for AnB and slices, for all at once.
    ``level``: the unadjusted p-value that would be small enough.
    ``error``: level of the whole verdict: 5 %, or that of one of several looks.
    ``enough``: whether seeds and test images are enough for any claim: see `compare`.
    """

    difference: Difference
    margin: float
    p: float
    at_least: float
    level: float = LEVEL
    error: float = LEVEL
    enough: bool = True

    @property
    def outcome(self) -> str:
        """That it is as good is ``shown``, ``shown not``, or ``undecided``; each at ``error``."""
        if not self.enough:
            return "undecided"
        if self.p <= self.error:
            return "shown"
        return "shown not" if self.probability <= self.error else "undecided"

    @property
    def probability(self) -> float:
        """That it is as good, given the data, for this network by itself."""
        return float(self.difference.probability_above(-self.margin))


@dataclass(frozen=True)
class Tested:
    """Which test images each run of a study gets right, by network.

    ``right``: by network, its seeds and what each of its runs gets right, bool (runs, images).
    ``labels``, ``clusters``: int64 (images,).
    ``error``: level of a whole verdict: 5 %, less where a study is looked at repeatedly.
    """

    right: dict[Key, tuple[tuple[int, ...], np.ndarray]]
    labels: np.ndarray
    clusters: np.ndarray
    classes: int
    metric: str
    error: float = LEVEL

    @functools.cached_property
    def means(self) -> dict[Key, Difference]:
        """Mean accuracy of every network, as a difference from 0, so that it has an interval.

        The variance over seeds is pooled over networks of one kind and semantics of BatchNorm; that
        of a kind with one network, as baseB, over all networks.
        """
        seen: dict[Key, Difference] = {}
        for kind, bn in dict.fromkeys((kind, bn) for kind, _, bn in self.right):
            family = self.family(kind, bn)
            others = [key for key in self.right if key not in family] if len(family) == 1 else []
            accuracies = self.accuracies([*family, *others])
            spread = seed_variance(accuracies.by_seed)
            own = difference(accuracies, spread, np.arange(len(family)), None)
            seen |= {key: own[place] for place, key in enumerate(family)}
        return seen

    @property
    def floor(self) -> float:
        """Accuracy of always answering one class."""
        if self.metric == "accuracy":
            return float(np.bincount(self.labels).max() / len(self.labels))
        return 1 / self.classes

    def above_floor(self, key: Key, margin: float = 0.0) -> bool:
        """Whether a network is shown to be better than one class by more than ``margin``."""
        return bool(self.means[key].probability_above(self.floor + margin) >= 1 - LEVEL)

    @property
    def rare(self) -> list[int]:
        """Classes with fewer than `FEWEST_IMAGES` test images; ``accuracy`` has no classes."""
        if self.metric == "accuracy":
            return []
        counts = np.bincount(self.labels, minlength=self.classes)
        return np.flatnonzero((counts > 0) & (counts < FEWEST_IMAGES)).tolist()

    def accuracies(self, keys: Sequence[Key]) -> Accuracies:
        """Of the networks ``keys``, in this order."""
        return self.measure([self.right[key][1] for key in keys])

    def measure(self, right: Sequence[np.ndarray]) -> Accuracies:
        """As `transfer.statistics.accuracies.measure`, on these test images."""
        return measure(right, self.labels, self.clusters, self.classes, self.metric)

    def family(self, kind: str, bn: str) -> list[Key]:
        """Networks of a kind and semantics of BatchNorm, in order of n."""
        keys = [key for key in self.right if (key[0], key[2]) == (kind, bn)]
        return sorted(keys, key=lambda key: -1 if key[1] is None else key[1])


def networks(runs: pd.DataFrame) -> list[tuple[Key, pd.DataFrame]]:
    """Runs by network; the rows of one are its seeds."""
    return [
        ((str(kind), None if pd.isna(n) else int(n), str(bn)), group)
        for (kind, n, bn), group in runs.groupby(["kind", "n", "bn"], sort=False, dropna=False)
    ]


def right_on_test_images(study_dir: str | Path, runs: pd.DataFrame) -> np.ndarray:
    """What runs (rows of ``runs.csv``) get right on the test images: bool (runs, images)."""
    folder = Path(study_dir)
    labels = results.read_test_labels(folder)
    counts = np.bincount(labels)
    rows = []
    recorded = runs[["run", "test_accuracy", "test_balanced_accuracy"]]
    for run, *accuracies in recorded.itertuples(index=False):
        probabilities = results.read_predictions(folder, str(run))
        if len(probabilities) != len(labels):
            raise TransferError(
                f"Expected {len(labels)} predictions of {run} in {folder}. "
                f"Received: {len(probabilities)}."
            )
        right = probabilities.argmax(1) == labels
        recalls = np.bincount(labels, right)[counts > 0] / counts[counts > 0]
        found = {"accuracy": right.mean(), "balanced accuracy": recalls.mean()}
        for (metric, own), written in zip(found.items(), accuracies, strict=True):
            if not abs(own - written) <= 1e-5:  # six digits are written
                raise TransferError(
                    f"The predictions of {run} in {folder} have the {metric} {own:.4f}, runs.csv "
                    f"says {written:.4f}. {results.to_repeat(folder, str(run))}"
                )
        rows.append(right)
    return np.array(rows)


def image_clusters(study_dir: str | Path) -> np.ndarray:
    """Which test images of a study depend on each other, by what it says: see `clusters_of`."""
    return clusters_of(
        len(results.read_test_labels(study_dir)), results.read_test_clusters(study_dir)
    )


def read_tested(study_dir: str | Path, metric: str = "balanced", fraction: float = 1.0) -> Tested:
    """The networks of a study that were trained on this share of the training images."""
    if metric not in METRICS:
        raise TransferError(f"Expected a metric of {', '.join(METRICS)}. Received: {metric}.")
    runs = results.read_runs(study_dir)
    runs = runs[runs["fraction"] == fraction].drop_duplicates("run")
    labels = results.read_test_labels(study_dir)
    right: dict[Key, tuple[tuple[int, ...], np.ndarray]] = {}
    for key, group in networks(runs):
        group = group.sort_values("seed")
        right[key] = tuple(map(int, group["seed"])), right_on_test_images(study_dir, group)
    classes = int(labels.max()) + 1
    if len(runs):
        classes = max(
            classes, results.read_predictions(study_dir, str(runs["run"].iloc[0])).shape[1]
        )
    error = LEVEL_OF_A_LOOK if rounds(study_dir) else LEVEL
    return Tested(right, labels, image_clusters(study_dir), classes, metric, error)


def compare(
    tested: Tested, keys: Sequence[Key], reference: Key, margin: float
) -> dict[Key, Comparison]:
    """Networks of one question against a reference, all by the same test images.

    The variance over seeds is pooled over them. Seeds are compared in pairs only where runs of one
    seed are shown to be alike. p-values of AnB and of slices are adjusted for their number, since
    any n may be taken; those of other kinds are each for itself, except in a study that chose its n
    by results. Nothing is claimed if no network has two runs, since how seeds vary is not known
    then, if a class has fewer than `FEWEST_IMAGES` test images, or if the reference is ahead of
    always answering one class by no more than the margin: that answer would be as good.

    ``keys``: one or more. ``margin``: how much worse still counts as good, 0..1 units.
    """
    if not 0 < margin < 1:
        raise TransferError(f"Expected a margin between 0 and 1. Received: {margin}.")
    pairs = _pairs(tested, keys, reference)
    accuracies = pairs or tested.accuracies([*keys, reference])
    spread = seed_variance(accuracies.by_seed)
    places, other = np.arange(len(keys)), None if pairs else len(keys)
    seen = difference(accuracies, spread, places, other)
    together = keys[0][0] in ("AnB", "sliced") or tested.error < LEVEL
    alike = correlation(accuracies, spread, places, other) if together else None
    enough = spread.known and not tested.rare and tested.above_floor(reference, margin)
    return dict(zip(keys, judge(seen, margin, alike, tested.error, enough), strict=True))


def judge(
    seen: Difference,
    margin: float,
    alike: np.ndarray | None = None,
    error: float = LEVEL,
    enough: bool = True,
) -> list[Comparison]:
    """Comparisons from differences; with their correlation ``alike``, for all of them at once.

    A difference that is shown for all at once is at least minus the margin; its own bound can be
    higher.
    """
    p = 1 - seen.probability_above(-margin)
    level = error
    low = seen.interval(1 - 2 * error)[0]
    if alike is not None:
        p = step_down(p, alike)
        left = p > error
        level = stats.norm.sf(critical(alike[np.ix_(left, left)], error)) if left.any() else error
        low = seen.interval(1 - 2 * stats.norm.sf(critical(alike, error)))[0]
        low = np.where(left, low, np.maximum(low, -margin))
    return [
        Comparison(seen[i], margin, float(p[i]), float(low[i]), float(level), error, enough)
        for i in range(len(p))
    ]


def _pairs(tested: Tested, keys: Sequence[Key], reference: Key) -> Accuracies | None:
    """Differences run by run, if all have the same seeds, and these go up and down together."""
    seeds, base = tested.right[reference]
    if len(seeds) < 3 or any(tested.right[key][0] != seeds for key in keys):
        return None
    base = base.astype(np.int8)
    networks_right = [tested.right[key][1].astype(np.int8) for key in keys]
    by_seed = tested.measure([*networks_right, base]).by_seed
    if not paired(np.array(by_seed[:-1]), by_seed[-1]):
        return None
    return tested.measure([right - base for right in networks_right])


def against_base(
    tested: Tested, margin: float = 0.01, kinds: Collection[str] = KINDS
) -> dict[Key, Comparison]:
    """Every network of these kinds against baseB; see `compare`. Empty without baseB.

    Networks of one kind and semantics of BatchNorm are one question.
    """
    compared: dict[Key, Comparison] = {}
    if BASE not in tested.right:
        return compared
    for kind, bn in dict.fromkeys((kind, bn) for kind, _, bn in tested.right if kind in kinds):
        if kind != "baseB":
            compared |= compare(tested, tested.family(kind, bn), BASE, margin)
    return compared


def behind_the_best(tested: Tested, key: Key) -> tuple[Key, float, float]:
    """The best network by mean accuracy, its lead over ``key`` (0..1), and its lower bound."""
    keys = list(tested.right)
    accuracies = tested.accuracies(keys)
    place = keys.index(key)
    spread = seed_variance(accuracies.by_seed)
    best, low = against_best(accuracies, spread, place, tested.error)
    return keys[best], float(accuracies.mean[best] - accuracies.mean[place]), low
