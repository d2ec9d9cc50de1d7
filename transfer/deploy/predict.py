"""Classify images with a network, into a CSV; they are read and resized as an import does."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.deploy.export.open import open_network
from transfer.deploy.export.runtimes import Opened
from transfer.errors import TransferError
from transfer.files import open_atomically
from transfer.progress import track
from transfer.tables import format_number
from transfer.tasks.dataset import Dataset, load_dataset
from transfer.tasks.imports.images import read_images
from transfer.tasks.imports.listing import in_order, walk
from transfer.tasks.imports.plan import file_names, harmless
from transfer.tasks.imports.recordings import refuse_more

_AT_ONCE = 512  # images that are in memory


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said of images; `lines` says it in words.

    ``confusion``: int64 (classes, classes): row = true class, column = predicted class, of the
    images whose class is known.
    """

    classes: tuple[str, ...]
    counts: np.ndarray  #: int64 (classes,), images by predicted class
    confusion: np.ndarray
    left_out: list[tuple[str, str]]  #: files, and why

    @property
    def accuracy(self) -> float:
        """Share of the images of known class that are classified correctly; NaN if none is."""
        total = int(self.confusion.sum())
        return float(self.confusion.trace() / total) if total else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean of that share over the classes of these images; NaN if no class is known."""
        totals = self.confusion.sum(1)
        known = totals > 0
        hits = self.confusion.diagonal()[known] / totals[known]
        return float(hits.mean()) if known.any() else float("nan")

    def lines(self) -> list[str]:
        """The summary for a person."""
        each = zip(self.classes, self.counts, strict=True)
        parts = ", ".join(f"{name} {count}" for name, count in each if count)
        lines = [f"{self.counts.sum()} images: {parts}"]
        if known := int(self.confusion.sum()):
            classes = int((self.confusion.sum(1) > 0).sum())
            lines.append(
                f"accuracy {self.accuracy:.4f}, balanced over {classes} classes "
                f"{self.balanced_accuracy:.4f}, of the {known} images whose class is known"
            )
        return lines


#: Some images: what names each in the table; pixels, uint8 (N, height, width, 3); class or -1.
_Batch = tuple[list[tuple[object, ...]], np.ndarray, np.ndarray]


def predict(
    network: str | Path, images: str | Path, out: str | Path, data: str | Path | None = None
) -> Predictions:
    """Classify images, and write a row for each to a CSV.

    ``images``: an image; a folder of images, of which those below a folder named as a class are of
    that class; or a data set, of which the test images are taken. ``data``: folder of the study's
    data set, if it has moved. On a `TransferError` nothing is written.
    """
    images = Path(images)
    left_out: list[tuple[str, str]] = []
    if (images / "test_data.npy").is_file():
        dataset = load_dataset(images)
        opened = open_network(network, (dataset.height, dataset.width))
        names, batches = _of_data_set(dataset, opened, images)
    else:
        opened = open_network(network, data=data)
        names, batches = _of_files(images, opened, left_out)
    classes = tuple(opened.metadata["classes"])
    counts = np.zeros(len(classes), np.int64)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    with open_atomically(out) as stream:
        text = codecs.getwriter("utf-8")(stream, "surrogateescape")  # names of files may be no text
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "predicted", *(f"p({name})" for name in classes)])
        for batch_names, pixels, labels in batches:
            probabilities = opened.predict(np.ascontiguousarray(pixels))
            shape = (len(pixels), len(classes))
            if probabilities.shape != shape or not np.isfinite(probabilities).all():
                raise TransferError(
                    f"Expected {network} to give {shape[1]} probabilities an image."
                )
            answers = probabilities.argmax(1)
            counts += np.bincount(answers, minlength=len(classes))
            known = labels >= 0
            np.add.at(confusion, (labels[known], answers[known]), 1)
            rows = zip(batch_names, labels, answers, probabilities, strict=True)
            for name, label, answer, row in rows:
                true_class = ["" if label < 0 else classes[label]] if "label" in names else []
                cells = [*map(harmless, [*name, *true_class, classes[answer]])]
                writer.writerow([*cells, *map(format_number, row)])
        if not counts.any():
            reason = left_out[0][1] if left_out else "There is none."
            raise TransferError(f"Expected images that can be read at {images}. {reason}")
    return Predictions(classes, counts, confusion, left_out)


def _of_data_set(
    dataset: Dataset, opened: Opened, path: Path
) -> tuple[list[str], Iterator[_Batch]]:
    """The columns that name an image, and the test images of a data set."""
    about = opened.metadata
    if [dataset.height, dataset.width] != about["image_size"]:
        height, width = about["image_size"]
        raise TransferError(
            f"Expected images of {height}x{width}, which the network takes, in {path}. Received: "
            f"{dataset.height}x{dataset.width}; import them with --size {height}x{width}."
        )
    if list(dataset.classes) != about["classes"]:
        raise TransferError(
            f"Expected a data set of the classes {', '.join(about['classes'])} at {path}. "
            f"Received: {', '.join(dataset.classes)}."
        )
    test, files = dataset.test, file_names(path, "test")
    count = len(test.labels)
    if files and len(files) != count:
        raise TransferError(f"Expected {count} names in {path / 'test_files.csv'}: {len(files)}.")

    def batches() -> Iterator[_Batch]:
        starts = range(0, count, _AT_ONCE)
        for start in track(starts, len(starts), "Classifying"):
            some = slice(start, min(start + _AT_ONCE, count))
            indices = range(some.start, some.stop)
            names: list[tuple[object, ...]] = [(i, files[i]) if files else (i,) for i in indices]
            yield names, test.images[some], test.labels[some]

    return ["index", *(["file"] if files else []), "label"], batches()


def _of_files(
    path: Path, opened: Opened, left_out: list[tuple[str, str]]
) -> tuple[list[str], Iterator[_Batch]]:
    """The same for an image or a folder of images; ``left_out`` takes those that are not read."""
    path = path.resolve()
    files: list[str] = []
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise TransferError(f"Expected an image or a folder of images at {path}. It is not there.")
    for name, is_image, is_link in walk(path) if path.is_dir() else [(path.name, True, False)]:
        if is_link:
            left_out.append((name, "a link, which is not followed"))
        elif is_image:
            files.append(name)
        refuse_more(len(files) + len(left_out), path)
    files.sort(key=in_order)
    number_of = {name: number for number, name in enumerate(opened.metadata["classes"])}
    labels = np.array([_class_of(name, number_of) for name in files], np.int64)
    height, width = opened.metadata["image_size"]

    def batches() -> Iterator[_Batch]:
        progress = iter(track(range(len(files)), len(files), "Classifying"))
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            read = read_images([folder / name for name in some], height, width, progress)
            for file, error in read.unreadable:
                left_out.append((file.relative_to(folder).as_posix(), str(error)))
            if len(read.kept):
                names: list[tuple[object, ...]] = [(some[i],) for i in read.kept]
                yield names, read.images, labels[start + read.kept]

    return ["file", *(["label"] if (labels >= 0).any() else [])], batches()


def _class_of(name: str, number_of: dict[str, int]) -> int:
    """The class after which the nearest folder around an image is named; -1 if none is."""
    folders = reversed(name.split("/")[:-1])
    return next((number_of[folder] for folder in folders if folder in number_of), -1)
