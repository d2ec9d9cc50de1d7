"""Every score of every block in one pass over the training and one over the validation images."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from transfer.networks.backbone import DEFAULT, Architecture
from transfer.networks.sources import find_source
from transfer.networks.weights import read_classifier, read_weights
from transfer.progress import track
from transfer.scores import closed_form
from transfer.scores.moments import Moments, moments_of_blocks
from transfer.scores.representation import Features, source_probabilities, stream
from transfer.scores.table import COLUMNS, POSITIONS
from transfer.tasks.dataset import Dataset, Split, load_dataset

Classifier = tuple[np.ndarray, np.ndarray]
Row = tuple[int, str, float, float]  # of scores.csv
_RULES: dict[str, Callable[[Moments], tuple[closed_form.LinearRule, ...]]] = {
    "ridge_probe": closed_form.ridge_rules,
    "nearest_centroid": lambda moments: (closed_form.nearest_centroid(moments),),
}


def read_inputs(
    data: str | Path,
    source: str,
    alpha: float,
    input_size: tuple[int, int],
    backbone: str = DEFAULT,
) -> tuple[Dataset, Architecture, dict[str, np.ndarray], Classifier | None]:
    """What `measure_scores` needs, checked before anything slow begins."""
    dataset = load_dataset(data)
    architecture = Architecture(
        alpha=alpha,
        input_size=input_size,
        image_size=(dataset.height, dataset.width),
        classes=len(dataset.classes),
        backbone=backbone,
    )
    path = find_source(source, alpha, backbone)[1]
    weights = read_weights(path, architecture)
    return dataset, architecture, weights, read_classifier(path, architecture)


def measure_scores(
    data: Dataset, features: Features, classifier: Classifier | None = None, batch: int = 128
) -> pd.DataFrame:
    """Every score of every block, 0 (the stem) to n; test images are not touched.

    Validation images choose the ridge probe's regularisation and measure the accuracy of rules.
    With ``classifier`` (kernel and bias of the source task's), LEEP and NCE of the last block are
    measured. ``seconds`` is the time of the score alone, given the moments.
    """
    labels, classes = data.train.labels, len(data.classes)
    blocks = len(features(np.asarray(data.train.images[:1])))
    rows: list[Row] = []
    # One BLAS thread: on matrices this small more of them wait for each other and for TensorFlow.
    # The file holds the source classifier's probabilities, which LEEP reads a second time.
    with threadpool_limits(1, user_api="blas"), tempfile.TemporaryFile() as file:
        batches = _train_batches(data.train, features, classifier, batch, file)
        moments = moments_of_blocks(batches, classes)
        for i, of_block in enumerate(moments):
            suffix = "" if i < blocks else POSITIONS
            for name, score in closed_form.MOMENT_SCORES.items():
                rows.append(_timed(i % blocks, name + suffix, score, of_block))
        rows += _score_rules(data.valid, features, batch, moments[:blocks])
        if classifier is not None:
            shape = (len(labels), len(classifier[1]))
            probabilities = np.memmap(file, np.float32, "r", shape=shape)
            for name, of_source in (("leep", closed_form.leep), ("nce", closed_form.nce)):
                rows.append(_timed(blocks - 1, name, of_source, probabilities, labels, classes))
    rows.sort(key=lambda row: row[0])  # stable: the order of scores stays
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _timed(block: int, name: str, score: Callable[..., float], *arguments: object) -> Row:
    start = time.perf_counter()
    value = score(*arguments)
    return block, name, value, time.perf_counter() - start


def _train_batches(
    split: Split, features: Features, classifier: Classifier | None, batch: int, file: IO[bytes]
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Pooled features of every block, then the positions they are the means of, if there are."""
    for of_blocks, labels in _labelled(split, features, batch, "training images"):
        pooled = [_pooled(array) for array in of_blocks]
        if classifier is not None:
            probabilities = source_probabilities(pooled[-1], classifier)
            file.write(probabilities.astype(np.float32).tobytes())
        yield pooled + [array for array in of_blocks if array.ndim == 3], labels
    file.flush()


def _pooled(features: np.ndarray) -> np.ndarray:
    return features.mean(1) if features.ndim == 3 else features


def _labelled(
    split: Split, features: Features, batch: int, what: str
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Each batch with its labels, progress shown."""
    start = 0
    total = -(-len(split.labels) // batch)
    batches = stream(split.images, features, batch)
    for of_blocks in track(batches, total, f"{what}, in batches of {batch}"):
        yield of_blocks, split.labels[start : start + len(of_blocks[0])]
        start += len(of_blocks[0])


def _score_rules(split: Split, features: Features, batch: int, moments: list[Moments]) -> list[Row]:
    """Validation accuracy of the best ridge rule and of the nearest centroid, block by block."""
    candidates, hits, seconds = {}, {}, {}
    for key in ((block, name) for block in range(len(moments)) for name in _RULES):
        start = time.perf_counter()
        candidates[key] = _RULES[key[1]](moments[key[0]])
        seconds[key] = time.perf_counter() - start
        hits[key] = np.zeros(len(candidates[key]), np.int64)
    for of_blocks, labels in _labelled(split, features, batch, "validation images"):
        pooled = [_pooled(array) for array in of_blocks]
        for key, rules in candidates.items():
            start = time.perf_counter()
            hits[key] += [rule.hits(pooled[key[0]], labels) for rule in rules]
            seconds[key] += time.perf_counter() - start
    return [(*key, float(hits[key].max()) / len(split.labels), seconds[key]) for key in candidates]
