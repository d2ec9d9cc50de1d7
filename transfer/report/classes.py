"""Classes in the data set and in test predictions: shares, confusion, mistakes, and pictures."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from transfer.answers.answer import Answer
from transfer.errors import TransferError
from transfer.files import read_bytes
from transfer.report.summary import Facts
from transfer.results import as_keras_3
from transfer.runs import parse_run
from transfer.statistics.comparison import image_clusters, networks
from transfer.study_file import data_path
from transfer.tasks.dataset import Dataset, load_recorded
from transfer.tasks.imports.plan import file_names
from transfer.wording import count_seeds

_CLASSES_IN_A_MATRIX = 15
_PAIRS_SHOWN = 15
MISTAKES_SHOWN = 18
_CLASSES_SHOWN = 12
_EXAMPLES_A_CLASS = 6
_LONGEST_SIDE = 192  # pixels of a picture in the page
_JPEG_QUALITY = 88
_ON_WHITE = ("negative_transfer", "driving_against_n", "reestimation_against_n")  # no pictures
#: Figures of `transfer.figures.draw` that the charts of the report stand for.
_DRAWN_HERE = ("accuracy_against_n", "bn_semantics", "gain_against_images", "pareto")
_DRAWINGS_SHOWN = 12
_MAX_DRAWING_BYTES = 2 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


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

    Without an answer it is the network with the highest validation accuracy: test images are not
    used to choose.
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
    """Confusion of ``chosen``, of baseB, and of the best AnB, AnB+ and sliced-n by validation."""
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


def open_dataset(facts: Facts, data: str | Path | None = None) -> Dataset:
    """The study's data set, if it is where the study found it (or at ``data``)."""
    try:
        path = data_path(facts.folder) if data is None else data
        return load_recorded(path, facts.settings.data_sha256)
    except TransferError as error:
        raise TransferError(f"Images are left out. {error}") from error


def _address(kind: str, content: bytes) -> str:
    """The address of an image that the page itself holds."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _picture(image: np.ndarray) -> str:
    """An image uint8 (H, W, 3) as the address of a JPEG."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return _address("jpeg", buffer.getvalue())


def drawings(folder: Path) -> list[tuple[str, str, bool]]:
    """Figures in ``figures/`` by other commands: name, address, if a dark page may invert it."""
    shown: list[tuple[str, str, bool]] = []
    for path in sorted((folder / "figures").glob("*.png")):
        if path.stem in _DRAWN_HERE or len(shown) == _DRAWINGS_SHOWN:
            continue
        try:
            content = read_bytes(path, _MAX_DRAWING_BYTES)
        except OSError as error:
            raise TransferError(f"Cannot read {path}: {error.strerror}.") from error
        if content.startswith(_PNG):
            name = path.stem.replace("_", " ")
            shown.append((name, _address("png", content), path.stem in _ON_WHITE))
    return shown


def examples(dataset: Dataset) -> list[tuple[str, list[str]]]:
    """Training images of each class, evenly spaced over the file; of the first dozen classes."""
    shown = []
    for place, name in enumerate(dataset.classes[:_CLASSES_SHOWN]):
        where = np.flatnonzero(dataset.train.labels == place)
        spaced = np.linspace(0, len(where) - 1, min(_EXAMPLES_A_CLASS, len(where)))
        shown.append((name, [_picture(dataset.train.images[where[round(i)]]) for i in spaced]))
    return shown


@dataclass(frozen=True)
class Mistake:
    """A test image that a run gets wrong."""

    number: int  #: of the image in the test file, from 0
    file: str  #: that it was imported from; empty if that is not known
    picture: str  #: address of its JPEG; empty if the data are not at hand
    label: str
    answer: str  #: what the network says
    probability: float  #: of the answer, 0..1
    others: int  #: other runs that get it wrong too


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of a run."""

    run: str
    why: str  #: the reason to look at this run
    wrong: int  #: how many there are
    others: int  #: other runs that were compared
    shown: list[Mistake]  #: the most confident ones


def most_confident_mistakes(
    facts: Facts, chosen: pd.DataFrame, why: str, dataset: Dataset | None
) -> Mistakes:
    """The most confident mistakes of a network, at most one in a segment of neighbouring frames.

    Of the rows ``chosen`` the seed with the highest validation accuracy is taken.
    """
    run = str(chosen.loc[chosen["val_accuracy"].idxmax(), "run"])
    labels, probabilities = facts.test_labels, facts.probabilities(run)
    answers = probabilities.argmax(1)
    wrong = np.flatnonzero(answers != labels)
    surest = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")]
    _, first = np.unique(image_clusters(facts.folder)[surest], return_index=True)
    places = surest[np.sort(first)][:MISTAKES_SHOWN]
    others = [name for name in map(str, facts.whole["run"]) if name != run]
    also = np.zeros(len(places), int)
    for name in others:
        also += facts.probabilities(name)[places].argmax(1) != labels[places]
    files = file_names(dataset.path, "test") if dataset is not None else []
    shown = [
        Mistake(
            int(i),
            files[i] if len(files) == len(labels) else "",
            _picture(dataset.test.images[i]) if dataset is not None else "",
            facts.classes[labels[i]],
            facts.classes[answers[i]],
            float(probabilities[i, answers[i]]),
            int(count),
        )
        for i, count in zip(places, also, strict=True)
    ]
    return Mistakes(run, why, len(wrong), len(others), shown)
