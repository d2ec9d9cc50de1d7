"""Tables of a report: every network, and confusion matrices of those worth a look."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.answers.wording import count_seeds
from transfer.errors import TransferError
from transfer.report.facts import Facts
from transfer.runs import parse_run
from transfer.statistics.comparison import compare_with_base, networks
from transfer.statistics.intervals import interval

_CLASSES_IN_A_MATRIX = 15
_PAIRS_SHOWN = 15


def network_rows(runs: pd.DataFrame) -> list[dict[str, str]]:
    """One row a network, in the order of runs.csv: what the charts show, in numbers."""
    rows = []
    columns = ["kind", "n", "bn", "fraction"]
    for _, group in runs.groupby(columns, sort=False, dropna=False):
        first = group.iloc[0]
        low, high = interval(group)
        rows.append(
            {
                "network": parse_run(str(first["run"])).name.rsplit("_s", 1)[0],
                "accuracy": f"{group['test_accuracy'].mean():.3f}",
                "interval": f"{low:.3f} to {high:.3f}" if math.isfinite(low) else "",
                "balanced": f"{group['test_balanced_accuracy'].mean():.3f}",
                "validation": f"{group['val_accuracy'].mean():.3f}",
                "seeds": str(len(group)),
                "epochs": f"{group['best_epoch'].mean():.3g} of {group['epochs'].mean():.3g}",
                "images": f"{int(first['train_images']):,}",
                "parameters": f"{int(first['parameters']):,}",
                "multiply_adds": f"{first['multiply_adds'] / 1e6:,.3g} M",
                "seconds": f"{group['seconds'].mean():,.0f}",
            }
        )
    return rows


def recommended(facts: Facts) -> tuple[pd.DataFrame, str]:
    """The runs (seeds) of the network a reader would take, and why that one.

    The smallest sliced-n shown not to be worse than baseB; else the network with the highest
    validation accuracy, so that the test images choose nothing.

    Raises
    ------
    TransferError
        If no network has all training images.
    """
    runs = facts.whole[facts.whole["bn"].isin(["", "inference"])]
    if runs.empty:
        raise TransferError("No run on all training images with inference BatchNorm is finished.")
    try:
        compared = compare_with_base(facts.folder)
    except TransferError:  # predictions are missing, which the verdict says
        compared = {}
    passing = [
        key[1]
        for key, comparison in compared.items()
        if key[0] == "sliced" and key[1] is not None and comparison.outcome == "non-inferior"
    ]
    if passing:
        chosen = runs[(runs["kind"] == "sliced") & (runs["n"] == min(passing))]
        return chosen, "the smallest sliced-n that is shown not to be worse than baseB"
    return best_by_validation(runs), "the network with the highest validation accuracy"


def best_by_validation(runs: pd.DataFrame) -> pd.DataFrame:
    """The seeds of the network with the highest mean validation accuracy; the first of equals."""
    groups = [group for _, group in networks(runs)]
    return max(groups, key=lambda group: float(group["val_accuracy"].mean()))


@dataclass(frozen=True)
class Cell:
    """Of a confusion matrix: images, and their share of all images of that class, 0..1."""

    images: str
    share: float


@dataclass(frozen=True)
class Matrix:
    """One network's confusion: rows are what the images are, columns what the network says.

    Attributes
    ----------
    network, note : str
    rows : list of (class, cells, recall)
        Empty if there are too many classes for a matrix.
    pairs : list of (is, said, images, share)
        The most frequent confusions, if ``rows`` is empty.
    """

    network: str
    note: str
    rows: list[tuple[str, list[Cell], float]]
    pairs: list[tuple[str, str, str, float]]


def confusion_matrices(facts: Facts, chosen: pd.DataFrame) -> list[Matrix]:
    """Confusion of baseB, of the best AnB, AnB+ and sliced-n by validation, and of ``chosen``.

    Raises
    ------
    TransferError
        If a cell of the column ``confusion`` in runs.csv is not a square matrix of these classes.
    """
    runs = facts.whole[facts.whole["bn"].isin(["", "inference"])]
    taken: dict[str, pd.DataFrame] = {}
    for group in [chosen] + [
        best_by_validation(runs[runs["kind"] == kind])
        for kind in ("baseB", "AnB", "AnB+", "sliced")
        if (runs["kind"] == kind).any()
    ]:
        taken.setdefault(parse_run(str(group["run"].iloc[0])).network, group)
    return [_matrix(name, group, facts.classes) for name, group in taken.items()]


def _matrix(network: str, group: pd.DataFrame, classes: tuple[str, ...]) -> Matrix:
    counts = np.mean(
        [parse_confusion(str(text), len(classes)) for text in group["confusion"]], axis=0
    )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    note = f"mean over {count_seeds(len(group))}" if len(group) > 1 else "one seed"
    if len(classes) > _CLASSES_IN_A_MATRIX:
        return Matrix(network, note, [], _pairs(counts, shares, classes))
    rows = [
        (
            name,
            [
                Cell(f"{count:,.0f}", float(share))
                for count, share in zip(counts[i], shares[i], strict=True)
            ],
            float(shares[i, i]),
        )
        for i, name in enumerate(classes)
    ]
    return Matrix(network, note, rows, [])


def _pairs(
    counts: np.ndarray, shares: np.ndarray, classes: tuple[str, ...]
) -> list[tuple[str, str, str, float]]:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS_SHOWN]
    places = [divmod(int(place), len(classes)) for place in order]
    return [
        (classes[i], classes[j], f"{wrong[i, j]:,.0f}", float(shares[i, j]))
        for i, j in places
        if wrong[i, j] > 0
    ]


def parse_confusion(text: str, classes: int) -> np.ndarray:
    """``1 0;2 5`` as int64 (classes, classes): rows the labels, columns the predictions.

    Raises
    ------
    TransferError
        If it is not such a matrix of counts.
    """
    try:
        matrix = np.array([[int(cell) for cell in row.split()] for row in text.split(";")])
    except ValueError as error:
        raise TransferError(f"Expected counts in the column confusion: {text[:60]!r}.") from error
    if matrix.shape != (classes, classes) or matrix.dtype.kind != "i" or matrix.min() < 0:
        raise TransferError(
            f"Expected {classes} x {classes} counts in the column confusion. "
            f"Received: {text[:60]!r}."
        )
    return matrix
