"""What needs no network: the accuracy that every network of a study should beat.

The commonest class; the nearest neighbours and ridge regression on small grey pictures of about 144
pixels, their settings chosen by validation accuracy. Beside a study: ``baselines.csv``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.tables import read_table, write_table
from transfer.tasks.checks.pictures import sample, small_grey
from transfer.tasks.dataset import Dataset, content_hash

TABLE = "baselines.csv"
COLUMNS = ("baseline", "accuracy", "balanced_accuracy", "setting", "dataset_sha256")
_PIXELS = 144  # of a picture: 9x16
_NEIGHBOURS = (1, 5, 15)
_PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
_MOST_IMAGES = 20_000  # of train and of valid; of more, a sample
_SEED = 0


@dataclass(frozen=True, eq=False)
class Baseline:
    """What one classifier without a network reaches on the test images."""

    name: str  #: "always_one_class", "nearest_neighbours" or "linear"
    accuracy: float  #: 0..1
    balanced_accuracy: float  #: 0..1, the mean over classes of the share of images that are right
    setting: str  #: what was chosen and on what, in words
    predictions: np.ndarray  #: int64 (N,), the class of each test image


def baselines(dataset: Dataset) -> list[Baseline]:
    """The three baselines of a data set; a function of its images and labels alone."""
    commonest = int(np.bincount(dataset.train.labels).argmax())
    always = np.full(len(dataset.test.labels), commonest, np.int64)
    pictures, labels, seen = _pictures(dataset)
    near, neighbours = _nearest_neighbours(pictures, labels, len(dataset.classes))
    line, penalty = _linear(pictures, labels)
    return [
        _judged("always_one_class", always, dataset, dataset.classes[commonest]),
        _judged("nearest_neighbours", near, dataset, f"{neighbours}; {seen}"),
        _judged("linear", line, dataset, f"{penalty}; {seen}"),
    ]


def _pictures(dataset: Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], str]:
    """Small grey pictures (N, 144) and labels by split, and what they are in words."""
    rng = np.random.default_rng(_SEED)
    rows = max(1, round((_PIXELS * dataset.height / dataset.width) ** 0.5))
    columns = max(1, round(_PIXELS / rows))
    pictures, labels = {}, {}
    words = f"{min(rows, dataset.height)}x{min(columns, dataset.width)} grey"
    for name, split in dataset.splits.items():
        count = len(split.labels)
        chosen = sample(count, count if name == "test" else _MOST_IMAGES, rng)
        if len(chosen) < count:
            words += f", {len(chosen)} of {count} {name} images"
        pictures[name] = small_grey(split.images[chosen], rows, columns)
        labels[name] = split.labels[chosen]
    return pictures, labels, words


def _nearest_neighbours(
    pictures: dict[str, np.ndarray], labels: dict[str, np.ndarray], classes: int
) -> tuple[np.ndarray, str]:
    """Test predictions, and how many neighbours were taken, in words."""
    from sklearn.neighbors import NearestNeighbors  # slow to import

    counts = [k for k in _NEIGHBOURS if k <= len(labels["train"])]
    search = NearestNeighbors(n_neighbors=counts[-1], algorithm="brute").fit(pictures["train"])
    near = {
        name: labels["train"][search.kneighbors(pictures[name], return_distance=False)]
        for name in ("valid", "test")
    }  # (N, k) classes, the nearest first
    right = {k: _commonest(near["valid"][:, :k], classes) == labels["valid"] for k in counts}
    best = max(counts, key=lambda k: right[k].mean())
    words = f"{best} of {', '.join(map(str, counts))} neighbours by validation accuracy"
    return _commonest(near["test"][:, :best], classes), words


def _linear(
    pictures: dict[str, np.ndarray], labels: dict[str, np.ndarray]
) -> tuple[np.ndarray, str]:
    """Test predictions, and the strength of the ridge, in words."""
    from sklearn.linear_model import RidgeClassifier  # slow to import

    centre, scale = pictures["train"].mean(axis=0), float(pictures["train"].std()) or 1.0
    scaled = {name: (part - centre) / scale for name, part in pictures.items()}
    models = [
        RidgeClassifier(penalty).fit(scaled["train"], labels["train"]) for penalty in _PENALTIES
    ]
    best = max(models, key=lambda model: model.score(scaled["valid"], labels["valid"]))
    weakest, strongest = _PENALTIES[0], _PENALTIES[-1]
    words = f"ridge of {best.alpha:g} in {weakest:g}..{strongest:g} by validation accuracy"
    return best.predict(scaled["test"]), words


def _commonest(near: np.ndarray, classes: int) -> np.ndarray:
    """The commonest of the classes in each row of ``near`` (N, k); int64 (N,)."""
    return np.array([np.bincount(row, minlength=classes).argmax() for row in near], np.int64)


def _judged(name: str, predictions: np.ndarray, dataset: Dataset, setting: str) -> Baseline:
    labels = dataset.test.labels
    right = predictions == labels
    shares = np.bincount(labels, right) / np.bincount(labels)  # every class occurs in the test set
    return Baseline(name, float(right.mean()), float(shares.mean()), setting, predictions)


def write_baselines(study_dir: str | Path, dataset: Dataset) -> None:
    """Write ``baselines.csv`` beside a study, unless it is there for the same images and labels."""
    path = Path(study_dir) / TABLE
    sha256 = content_hash(dataset)
    if path.exists() and set(read_baselines(study_dir)["dataset_sha256"]) == {sha256}:
        return
    rows = [
        (one.name, one.accuracy, one.balanced_accuracy, one.setting, sha256)
        for one in baselines(dataset)
    ]
    write_table(path, pd.DataFrame(rows, columns=list(COLUMNS)))


def read_baselines(study_dir: str | Path) -> pd.DataFrame:
    """``baselines.csv`` of a study, columns `COLUMNS`; no rows if it is not there."""
    path = Path(study_dir) / TABLE
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    types = {column: float if "accuracy" in column else str for column in COLUMNS}
    frame = read_table(path, COLUMNS, types, "Remove it, and the study writes it anew.")
    shares = frame[["accuracy", "balanced_accuracy"]].to_numpy()
    if not ((shares >= 0) & (shares <= 1)).all():
        raise TransferError(f"Expected accuracies of 0..1 in {path}. Remove it to write it anew.")
    return frame
