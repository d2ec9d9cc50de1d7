"""The images of a report: what the data look like, and the most confident mistakes."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from transfer.errors import TransferError
from transfer.files import read_bytes
from transfer.report.facts import Facts
from transfer.results import read_predictions, read_test_labels
from transfer.statistics.comparison import blocks_of_neighbours
from transfer.tasks.dataset import Dataset, load_recorded

MISTAKES_SHOWN = 18
_CLASSES_SHOWN = 12
_EXAMPLES_A_CLASS = 6
_LONGEST_SIDE = 192  # pixels of a picture in the page
_JPEG_QUALITY = 88
#: Figures of `transfer.figures.draw` that the charts of the report stand for.
_DRAWN_HERE = ("accuracy_against_n", "bn_semantics", "gain_against_images", "pareto")
_DRAWINGS_SHOWN = 12
_MAX_DRAWING_BYTES = 2 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


def open_dataset(facts: Facts, data: str | Path | None = None) -> Dataset:
    """The study's data set, if it is where the study found it (or at ``data``).

    Raises
    ------
    TransferError
        If it is not there, or is another data set than that of the study.
    """
    try:
        return load_recorded(facts.data_path if data is None else data, facts.data_sha256)
    except TransferError as error:
        raise TransferError(f"Images are left out. {error}") from error


def picture(image: np.ndarray) -> str:
    """An image uint8 (H, W, 3) as the address of a JPEG that the page itself holds."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def drawings(folder: Path) -> list[tuple[str, str]]:
    """Figures in ``figures/`` that the report does not draw itself: name, address of the PNG.

    What other commands drew about the study: how its networks drive, what they look at.
    """
    found: list[tuple[str, str]] = []
    for path in sorted((folder / "figures").glob("*.png")):
        if path.stem in _DRAWN_HERE or len(found) == _DRAWINGS_SHOWN:
            continue
        try:
            content = read_bytes(path, _MAX_DRAWING_BYTES)
        except OSError as error:
            raise TransferError(f"Cannot read {path}: {error.strerror}.") from error
        if content.startswith(_PNG):
            address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
            found.append((path.stem.replace("_", " "), address))
    return found


@dataclass(frozen=True)
class Share:
    """A class in a split: images, and their share, 0..1."""

    images: str
    share: float


def class_shares(
    facts: Facts, dataset: Dataset | None, test_labels: np.ndarray | None
) -> list[tuple[str, list[Share | None]]]:
    """Classes with their share of each split; None where the labels are not at hand."""
    labels: dict[str, np.ndarray] = {}
    if dataset is not None:
        labels = {name: split.labels for name, split in dataset.splits.items()}
    elif test_labels is not None:
        labels = {"test": test_labels}
    rows = []
    for place, name in enumerate(facts.classes):
        cells: list[Share | None] = []
        for split in facts.images:
            if split not in labels:
                cells.append(None)
                continue
            count = int((labels[split] == place).sum())
            cells.append(Share(f"{count:,}", count / max(len(labels[split]), 1)))
        rows.append((name, cells))
    return rows


def examples(dataset: Dataset) -> list[tuple[str, list[str]]]:
    """Training images of each class, evenly spaced over the file; of the first dozen classes."""
    found = []
    for place, name in enumerate(dataset.classes[:_CLASSES_SHOWN]):
        where = np.flatnonzero(dataset.train.labels == place)
        spaced = np.linspace(0, len(where) - 1, min(_EXAMPLES_A_CLASS, len(where)))
        pictures = [picture(dataset.train.images[where[round(i)]]) for i in spaced]
        found.append((name, pictures))
    return found


@dataclass(frozen=True)
class Mistake:
    """A test image that a run gets wrong.

    Attributes
    ----------
    number : int
        Of the image in the test file, from 0.
    picture : str
        Address of its JPEG; empty if the data are not at hand.
    label, said : str
        What it is labelled and what the network says.
    probability : float
        Of what it says, 0..1.
    others : int
        Other networks of the study (runs on all training images) that get it wrong.
    """

    number: int
    picture: str
    label: str
    said: str
    probability: float
    others: int


def most_confident_mistakes(
    facts: Facts, run: str, dataset: Dataset | None, runs: pd.DataFrame
) -> tuple[list[Mistake], int, int]:
    """The mistakes of a run it is surest of, one a stretch of neighbouring frames.

    Parameters
    ----------
    facts : Facts
    run : str
        Whose mistakes.
    dataset : Dataset or None
        Without it the mistakes have no pictures.
    runs : pandas.DataFrame
        The runs that are asked whether they make the same mistake.

    Returns
    -------
    mistakes, number of all mistakes of the run, number of other runs asked

    Raises
    ------
    TransferError
        If predictions are missing, or do not fit the labels or the classes.
    """
    labels = read_test_labels(facts.folder)
    probabilities = _predictions(facts, run, labels)
    said = probabilities.argmax(1)
    wrong = np.flatnonzero(said != labels)
    surest = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")]
    blocks = blocks_of_neighbours(len(labels))
    _, first = np.unique(blocks[surest], return_index=True)
    chosen = surest[np.sort(first)][:MISTAKES_SHOWN]
    others = [name for name in map(str, runs["run"]) if name != run]
    also = np.zeros(len(chosen), int)
    for name in others:
        also += _predictions(facts, name, labels)[chosen].argmax(1) != labels[chosen]
    return (
        [
            Mistake(
                int(i),
                picture(dataset.test.images[i]) if dataset is not None else "",
                facts.classes[labels[i]],
                facts.classes[said[i]],
                float(probabilities[i, said[i]]),
                int(count),
            )
            for i, count in zip(chosen, also, strict=True)
        ],
        len(wrong),
        len(others),
    )


def _predictions(facts: Facts, run: str, labels: np.ndarray) -> np.ndarray:
    probabilities = read_predictions(facts.folder, run)
    if probabilities.shape != (len(labels), len(facts.classes)) or not (
        0 <= labels.min() <= labels.max() < len(facts.classes)
    ):
        raise TransferError(
            f"Mistakes are left out: expected {len(labels)} predictions of {len(facts.classes)} "
            f"classes by {run} in {facts.folder}."
        )
    return probabilities
