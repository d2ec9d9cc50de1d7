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
from transfer.statistics.comparison import image_clusters
from transfer.study_file import data_path
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

    Raises `TransferError` if it is not there, or is another data set than that of the study.
    """
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


def drawings(folder: Path) -> list[tuple[str, str]]:
    """Figures in ``figures/`` that the report does not draw itself: name, address of the PNG.

    They were drawn by other commands: how networks drive, what they look at.
    """
    shown: list[tuple[str, str]] = []
    for path in sorted((folder / "figures").glob("*.png")):
        if path.stem in _DRAWN_HERE or len(shown) == _DRAWINGS_SHOWN:
            continue
        try:
            content = read_bytes(path, _MAX_DRAWING_BYTES)
        except OSError as error:
            raise TransferError(f"Cannot read {path}: {error.strerror}.") from error
        if content.startswith(_PNG):
            shown.append((path.stem.replace("_", " "), _address("png", content)))
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

    ``facts``: all runs on all training images are compared: how many make the same mistake.
    ``chosen``: rows of a network; the seed with the highest validation accuracy is taken.
    ``why``: why that network was chosen, for the page.
    ``dataset``: without it the mistakes have no pictures.
    Raises `TransferError` if predictions are missing, or do not fit the labels or the classes.
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
    shown = [
        Mistake(
            int(i),
            _picture(dataset.test.images[i]) if dataset is not None else "",
            facts.classes[labels[i]],
            facts.classes[answers[i]],
            float(probabilities[i, answers[i]]),
            int(count),
        )
        for i, count in zip(places, also, strict=True)
    ]
    return Mistakes(run, why, len(wrong), len(others), shown)
