"""Scores of every block of one source on one data set: measured, written, read, printed.

::

    OUT/scores.csv    block,score,value,seconds

One pass over the training images gives the moments of every block, one over the validation images
the accuracy of linear rules. Nothing is trained.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from transfer.networks.architecture import Architecture
from transfer.networks.classifier import read_classifier
from transfer.networks.sources import find_source
from transfer.networks.weights import read_weights
from transfer.progress import track
from transfer.scores.measures import MOMENT_SCORES
from transfer.scores.moments import Moments, moments_of_blocks
from transfer.scores.representation import (
    Features,
    source_probabilities,
    stream,
)
from transfer.scores.rules import LinearRule, leep, nce, nearest_centroid, ridge_rules
from transfer.tables import read_table, write_table
from transfer.tasks.dataset import Dataset, Split, load_dataset

COLUMNS = ("block", "score", "value", "seconds")
_POSITIONS = "_positions"  # ends the name of a score that took positions as samples
_LABELS = {
    "logme": "LogME",
    "h_score": "H-score",
    "h_score_regularised": "H, shrunk",
    "transrate": "TransRate",
    "class_separation": "separation",
    "ridge_probe": "ridge probe",
    "nearest_centroid": "centroid",
}
Classifier = tuple[np.ndarray, np.ndarray]
Row = tuple[int, str, float, float]


def read_inputs(
    data: str | Path, source: str, alpha: float, input_size: tuple[int, int]
) -> tuple[Dataset, Architecture, dict[str, np.ndarray], Classifier | None]:
    """What `measure_scores` needs, checked before anything slow begins.

    Parameters
    ----------
    data : path of a data set
    source : {"fractals", "imagenet"} or path of a Keras weight file
    alpha : float
    input_size : (height, width) the images are resized to

    Raises
    ------
    TransferError
        If the data set or the weights are missing or do not fit.
    """
    dataset = load_dataset(data)
    architecture = Architecture(
        alpha=alpha,
        input_size=input_size,
        image_size=(dataset.height, dataset.width),
        classes=len(dataset.classes),
    )
    path = find_source(source, alpha)[1]
    weights = read_weights(path, architecture)
    return dataset, architecture, weights, read_classifier(path, architecture)


def measure_scores(
    data: Dataset,
    features: Features,
    classifier: Classifier | None = None,
    batch: int = 128,
) -> pd.DataFrame:
    """Every score of every block.

    Parameters
    ----------
    data : Dataset
        Training images are scored; validation images choose the ridge probe's regularisation and
        measure the accuracy of rules. Test images are not touched.
    features : function of a batch of images
        baseA as from `feature_function`. If it gives positions, their means are scored, and the
        positions themselves where a score allows it (``logme_positions``, ...).
    classifier : (kernel, bias) or None
        Of the source task; with it, LEEP and NCE of the last block.
    batch : int
        Images at a time, as from `batch_size`.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: block 0 (the stem) to n; ``seconds`` is the time of the score alone,
        given the moments, not of the passes over images.
    """
    classes = len(data.classes)
    rows: list[Row] = []
    # One BLAS thread: on matrices this small more of them wait for each other and for TensorFlow.
    with (
        threadpool_limits(1, user_api="blas"),
        tempfile.TemporaryFile() as kept,
    ):  # what the classifier says, for LEEP's second look
        batches = _train_batches(data.train, features, classifier, batch, kept)
        found = moments_of_blocks(batches, classes)
        blocks = len(features(np.asarray(data.train.images[:1])))
        for i, moments in enumerate(found):
            rows += _score_moments(i % blocks, moments, "" if i < blocks else _POSITIONS)
        rows += _score_rules(data.valid, features, batch, found[:blocks])
        if classifier is not None:
            shape = (len(data.train.labels), len(classifier[1]))
            probabilities = np.memmap(kept, np.float32, "r", shape=shape)
            for name, score in (("leep", leep), ("nce", nce)):
                start = time.perf_counter()
                value = score(probabilities, data.train.labels, classes)
                rows.append((blocks - 1, name, value, time.perf_counter() - start))
    rows.sort(key=lambda row: row[0])  # stable: the order of scores stays
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _train_batches(
    split: Split,
    features: Features,
    classifier: Classifier | None,
    batch: int,
    kept: IO[bytes],
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Pooled features of every block, then the positions they are the means of, if there are."""
    for found, labels in _labelled(split, features, batch, "training images"):
        pooled = [_pooled(array) for array in found]
        if classifier is not None:
            said = source_probabilities(pooled[-1], classifier)
            kept.write(said.astype(np.float32).tobytes())
        yield pooled + [array for array in found if array.ndim == 3], labels
    kept.flush()


def _pooled(features: np.ndarray) -> np.ndarray:
    return features.mean(1) if features.ndim == 3 else features


def _labelled(
    split: Split, features: Features, batch: int, what: str
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Each batch with its labels, progress shown."""
    start = 0
    total = -(-len(split.labels) // batch)
    batches = stream(split.images, features, batch)
    for found in track(batches, total, f"{what}, in batches of {batch}"):
        yield found, split.labels[start : start + len(found[0])]
        start += len(found[0])


def _score_moments(block: int, moments: Moments, suffix: str) -> list[Row]:
    rows = []
    for name, score in MOMENT_SCORES.items():
        start = time.perf_counter()
        value = score(moments)
        rows.append((block, name + suffix, value, time.perf_counter() - start))
    return rows


def _score_rules(split: Split, features: Features, batch: int, found: list[Moments]) -> list[Row]:
    """Validation accuracy of the best ridge rule and of the nearest centroid, block by block."""
    rules: list[tuple[str, tuple[LinearRule, ...]]] = []  # probe and centroid of each block
    seconds = []
    for moments in found:
        for name in ("ridge_probe", "nearest_centroid"):
            start = time.perf_counter()
            probe = name == "ridge_probe"
            rules.append((name, ridge_rules(moments) if probe else (nearest_centroid(moments),)))
            seconds.append(time.perf_counter() - start)
    hits = [np.zeros(len(of_name), np.int64) for _, of_name in rules]
    for arrays, labels in _labelled(split, features, batch, "validation images"):
        pooled = [_pooled(array) for array in arrays]
        for i, (_, of_name) in enumerate(rules):
            start = time.perf_counter()
            hits[i] += [rule.hits(pooled[i // 2], labels) for rule in of_name]
            seconds[i] += time.perf_counter() - start
    return [
        (i // 2, name, float(hits[i].max()) / len(split.labels), seconds[i])
        for i, (name, _) in enumerate(rules)
    ]


def write_scores(out: str | Path, scores: pd.DataFrame) -> Path:
    """Write ``OUT/scores.csv`` atomically; six significant digits. Returns its path."""
    return write_table(Path(out) / "scores.csv", scores)


def read_scores(out: str | Path) -> pd.DataFrame:
    """``OUT/scores.csv`` as from `measure_scores`.

    Raises
    ------
    TransferError
        If the file is missing, larger than 16 MiB or not a table of scores.
    """
    types = {"block": "int64", "score": "string", "value": "float64", "seconds": "float64"}
    remedy = "Write it with `python -m transfer scores`."
    return read_table(Path(out) / "scores.csv", COLUMNS, types, remedy)


def print_scores(scores: pd.DataFrame, console: Console | None = None) -> None:
    """Print one line a block, one column a score; the highest of each score is bold.

    Scores of positions come in a table of their own; scores that the last block alone has (LEEP,
    NCE) as lines below.
    """
    console = console or Console()
    wide = scores.pivot(index="block", columns="score", values="value")
    names = list(dict.fromkeys(scores["score"]))
    complete = [name for name in names if wide[name].notna().all()]
    of_positions = [name for name in complete if name.endswith(_POSITIONS)]
    console.print(_table(wide[[name for name in complete if name not in of_positions]]))
    if of_positions:
        console.print("\nPositions as samples:")
        console.print(_table(wide[of_positions]))
    for name in names:
        if name not in complete:
            block, value = wide[name].first_valid_index(), wide[name].max()
            console.print(f"{name.upper()} of block {block}: {value:.3f}")


def _table(wide: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("block", justify="right")
    for name in wide:
        table.add_column(_LABELS[str(name).removesuffix(_POSITIONS)], justify="right")
    for block, row in wide.iterrows():
        cells = [
            f"[bold]{value:.3f}[/]" if value == wide[name].max() else f"{value:.3f}"
            for name, value in row.items()
        ]
        table.add_row("stem" if block == 0 else str(block), *cells)
    return table
