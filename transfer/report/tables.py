"""Tables of a report: class shares, and the confusion of the networks that matter most."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.answers.answer import Answer
from transfer.errors import TransferError
from transfer.report.facts import Facts
from transfer.results import as_keras_3
from transfer.runs import parse_run
from transfer.statistics.comparison import networks
from transfer.tasks.dataset import Dataset
from transfer.wording import count_seeds

_CLASSES_IN_A_MATRIX = 15
_PAIRS_SHOWN = 15


@dataclass(frozen=True)
class Cell:
    """Images, and their share of all images of the row or column, 0..1."""

    images: str
    share: float


def class_shares(
    facts: Facts, dataset: Dataset | None, test_labels: np.ndarray | None
) -> list[tuple[str, list[Cell | None]]]:
    """Classes with their share of each split; None where the labels are not at hand."""
    labels = {} if test_labels is None else {"test": test_labels}
    if dataset is not None:
        labels = {name: split.labels for name, split in dataset.splits.items()}
    columns: list[list[Cell | None]] = []
    classes = len(facts.classes)
    for split in facts.settings.images:
        if split in labels:
            counts = np.bincount(labels[split], minlength=classes)[:classes]
            total = max(len(labels[split]), 1)
            columns.append([Cell(f"{count:,}", count / total) for count in counts])
        else:
            columns.append([None] * classes)
    return list(zip(facts.classes, map(list, zip(*columns, strict=True)), strict=True))


def recommended(facts: Facts, study_answer: Answer | None) -> tuple[pd.DataFrame, str]:
    """The runs (seeds) of the network a reader would take, and why that one.

    It is the network that the answer keeps. Without one it is the network with the highest
    validation accuracy: test images are not used to choose.

    Raises `TransferError` if no network has all training images.
    """
    runs = as_keras_3(facts.whole)
    if runs.empty:
        raise TransferError("No run on all training images with inference BatchNorm is finished.")
    if study_answer is not None and study_answer.network is not None:
        chosen = runs["run"].map(lambda name: parse_run(name).network) == study_answer.network
        return runs[chosen], "the network that the answer keeps"
    return _best_by_validation(runs), "the network with the highest validation accuracy"


def _best_by_validation(runs: pd.DataFrame) -> pd.DataFrame:
    """The seeds of the network with the highest mean validation accuracy; the first of equals."""
    groups = (group for _, group in networks(runs))
    return max(groups, key=lambda group: float(group["val_accuracy"].mean()))


@dataclass(frozen=True)
class Matrix:
    """One network's confusion: rows are the labels of images, columns what the network says."""

    network: str
    note: str
    rows: list[tuple[str, list[Cell]]]  #: empty if there are too many classes for a matrix
    pairs: list[tuple[str, str, Cell]]  #: the most frequent confusions, if ``rows`` is empty


def confusion_matrices(facts: Facts, chosen: pd.DataFrame) -> list[Matrix]:
    """Confusion of ``chosen``, of baseB, and of the best AnB, AnB+ and sliced-n by validation.

    Raises `TransferError` if predictions are missing, or are not of these classes and test images.
    """
    runs = as_keras_3(facts.whole)
    groups = [chosen]
    for kind in ("baseB", "AnB", "AnB+", "sliced"):
        if (runs["kind"] == kind).any():
            groups.append(_best_by_validation(runs[runs["kind"] == kind]))
    named = {parse_run(str(group["run"].iloc[0])).network: group for group in groups}
    return [_matrix(facts, network, group) for network, group in named.items()]


def _matrix(facts: Facts, network: str, group: pd.DataFrame) -> Matrix:
    """Mean over the seeds in ``group``."""
    classes = facts.classes
    counts = np.zeros((len(classes), len(classes)))
    for run in group["run"]:
        answers = facts.probabilities(str(run)).argmax(1)
        np.add.at(counts, (facts.test_labels, answers), 1 / len(group))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cells = [
        [Cell(f"{count:,.0f}", float(share)) for count, share in zip(*row, strict=True)]
        for row in zip(counts, shares, strict=True)
    ]
    note = f"mean over {count_seeds(len(group))}" if len(group) > 1 else "one seed"
    if len(classes) <= _CLASSES_IN_A_MATRIX:
        return Matrix(network, note, list(zip(classes, cells, strict=True)), [])
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_PAIRS_SHOWN]
    places = [divmod(int(place), len(classes)) for place in order]
    pairs = [(classes[i], classes[j], cells[i][j]) for i, j in places if counts[i, j] > 0]
    return Matrix(network, note, [], pairs)
