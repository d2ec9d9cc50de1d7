"""A data set is a folder of arrays: load it memory-mapped, validate it, balance it, write it.

Each split has ``train_data.npy``, uint8 (N, height * width * 3); ``train_labels.npy``, integers;
and may have ``train_recordings.npy``, which recording an image belongs to. ``dataset.json`` may say
name, height, width, classes, frames; without it, the published layout is assumed. The number of a
recording is unique in the whole data set.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from transfer.archives import open_array
from transfer.errors import TransferError
from transfer.files import new_folder, read_json
from transfer.program import command
from transfer.tables import is_formula

SPLITS = ("train", "valid", "test")
CLASSES = ("forward", "left", "right")  #: the published labels 0, 1, 2
HEIGHT, WIDTH = 45, 80  #: of the published images
MAX_SIDE = 4096  #: of an image, in pixels
_MAX_CLASSES = 1000
_MAX_NAME = 64
_GENERIC = ("npy", "data", "dataset", "arrays", "images")  # names that say nothing


@dataclass(frozen=True, eq=False)
class Split:
    """One of train, valid, test."""

    #: uint8 (N, height, width, 3), RGB; a view of memory-mapped rows if loaded from a folder
    images: np.ndarray
    labels: np.ndarray  #: int64 (N,)
    #: int64 (N,), unique in the whole data set; None where nobody recorded it
    recordings: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits of one task, as `load_dataset` returns them."""

    path: Path
    name: str
    height: int
    width: int
    classes: tuple[str, ...]
    train: Split
    valid: Split
    test: Split
    #: whether neighbouring images may be frames of one sequence; False: the images are independent
    #: of each other, but for those of one recording
    frames: bool = True

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name, in the order train, valid, test."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def test_clusters(self) -> np.ndarray | None:
        """Which test images depend on each other: int64 (N,), equal within a cluster.

        The recordings, or each image its own where they are no frames; else None: nothing is known.
        """
        if self.test.recordings is None and not self.frames:
            return np.arange(len(self.test.labels))
        return self.test.recordings


def load_dataset(path: str | Path) -> Dataset:
    """Open the data set in the folder ``path``; images stay on disk until they are used."""
    path = Path(path)
    if not path.is_dir():
        raise TransferError(
            f"Expected the folder of a data set at {path}. It is not there; "
            f"`{command('data', '--help')}` shows how to make or fetch one."
        )
    description = _read_description(path)
    if not any(os.path.lexists(path / f"{split}_data.npy") for split in SPLITS):
        out = Path("data") / path.resolve().name
        out = out if out.resolve() != path.resolve() else out.with_name(f"{out.name}-arrays")
        raise TransferError(
            f"Expected the folder of a data set at {path} (train_data.npy and others). It holds "
            f"something else; if these are images or drives, `{command('data', 'import', path)} "
            f"--out {out}` makes a data set of them."
        )
    train, valid, test = (_load_split(path, name, **description) for name in SPLITS)
    return Dataset(path, train=train, valid=valid, test=test, **description)


def _load_split(
    path: Path, split: str, height: int, width: int, classes: tuple[str, ...], **_: Any
) -> Split:
    data_path, labels_path = path / f"{split}_data.npy", path / f"{split}_labels.npy"
    rows = open_array(data_path, np.uint8, (2,))
    if rows.shape[1] != height * width * 3:
        raise TransferError(
            f"Expected rows of {height * width * 3} = {height} x {width} x 3 values in "
            f"{data_path}. Received: {rows.shape[1]}; other sizes need a dataset.json beside it."
        )
    labels = open_array(labels_path, np.integer, (1, 2))
    if labels.ndim == 2 and labels.shape[1] != 1:
        raise TransferError(
            f"Expected labels of shape (N,) or (N, 1) in {labels_path}. Received: {labels.shape}."
        )
    recordings, recordings_path = None, path / f"{split}_recordings.npy"
    if os.path.lexists(recordings_path):
        recordings = np.array(open_array(recordings_path, np.integer, (1,)), np.int64)
    images = rows.reshape(-1, height, width, 3)
    loaded = Split(images, np.array(labels, np.int64).reshape(-1), recordings)
    _check_split(str(path), split, loaded, classes)
    return loaded


def _check_split(where: str, name: str, split: Split, classes: tuple[str, ...]) -> None:
    """What must hold of a split, be it loaded or about to be written."""
    count = len(split.images)
    for what, array in (("label", split.labels), ("recording", split.recordings)):
        if array is not None and len(array) != count:
            raise TransferError(
                f"Expected one {what} per image in the {name} split of {where}. "
                f"Received: {count} images, {len(array)} {what}s."
            )
    wrong = split.labels[(split.labels < 0) | (split.labels >= len(classes))]
    if len(wrong):
        raise TransferError(
            f"Expected labels 0..{len(classes) - 1} in the {name} split of {where}. "
            f"Received: {wrong[0]}."
        )
    counts = np.bincount(split.labels, minlength=len(classes))
    if not counts.all():
        raise TransferError(
            f"Expected images of every class in the {name} split of {where}. "
            f"Received: none of class {classes[int(np.argmin(counts))]!r}."
        )


def _read_description(path: Path) -> dict[str, Any]:
    """Name, height, width, classes, frames: from dataset.json, or the published layout."""
    file = path / "dataset.json"
    usual = {"height": HEIGHT, "width": WIDTH, "classes": CLASSES, "frames": True}
    description: dict[str, Any] = {"name": default_name(path), **usual}
    if os.path.lexists(file):
        content = read_json(file)
        description |= {key: content[key] for key in description if key in content}
    check_description(str(file), **description)
    return description | {"classes": tuple(description["classes"])}


def default_name(folder: Path) -> str:
    """The name of the folder, or of the first around it that says something."""
    names = (part[:_MAX_NAME] for part in reversed(folder.resolve().parts))
    own = (name for name in names if _is_name(name) and name.lower() not in _GENERIC)
    return next(own, "dataset")


def check_description(
    where: str, name: Any, height: Any, width: Any, classes: Any, frames: Any = True
) -> None:
    """Raise a `TransferError` unless a data set may be called and shaped so."""
    if not _is_name(name):
        raise TransferError(
            f"Expected a name of 1..{_MAX_NAME} printable characters, no formula, in {where}. "
            f"Received: {str(name)[:80]!r}."
        )
    for key, side in (("height", height), ("width", width)):
        if type(side) is not int or not 1 <= side <= MAX_SIDE:
            raise TransferError(
                f"Expected {key} of 1..{MAX_SIDE} pixels in {where}. Received: {str(side)[:80]}."
            )
    if (
        not isinstance(classes, list | tuple)
        or not 2 <= len(classes) <= _MAX_CLASSES
        or not all(_is_name(entry) for entry in classes)
        or len(set(classes)) != len(classes)
    ):
        raise TransferError(
            f"Expected classes to be a list of 2..{_MAX_CLASSES} different names, no formulas, in "
            f"{where}. Received: {str(classes)[:80]}."
        )
    if type(frames) is not bool:
        raise TransferError(f"Expected frames of true or false in {where}.")


def _is_name(value: Any) -> bool:
    """Names stand in tables: none may be a formula to a spreadsheet."""
    plain = isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable()
    return plain and not is_formula(value)


def content_hash(dataset: Dataset) -> str:
    """SHA-256 of what a network sees: geometry, images and labels of every split.

    The data set's name, its folder, its recordings, the names of its classes and the way labels are
    stored change nothing. 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    digest.update(f"{dataset.height} {dataset.width} {len(dataset.classes)}\n".encode())
    for name, split in dataset.splits.items():
        digest.update(f"{name} {len(split.labels)}\n".encode())
        for start in range(0, len(split.images), 1024):
            digest.update(split.images[start : start + 1024].tobytes())
        digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def load_recorded(path: str | Path, sha256: str) -> Dataset:
    """The data set that a study was made with, known by its `content_hash`; else an error."""
    folder = Path(path)
    dataset = load_dataset(folder) if folder.is_dir() else None
    if dataset is None or content_hash(dataset) != sha256:
        other = "It holds another data set" if dataset else "It is not there"
        raise TransferError(
            f"Expected the study's data set at {folder}. {other}; say where it is: --data DIR."
        )
    return dataset


def write_dataset(
    out: str | Path,
    splits: Mapping[str, Split],
    *,
    name: str,
    height: int = HEIGHT,
    width: int = WIDTH,
    classes: tuple[str, ...] = CLASSES,
    frames: bool = True,
    recipe: Mapping[str, Any],
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a data set whole or not at all; `load_dataset` reads it back.

    ``recipe``: how the data were made (generator, seed, settings); kept in ``dataset.json``.
    ``beside``: names and contents of more files.
    Raises `TransferError` if ``out`` exists and is not an empty folder, or cannot be written, or if
    the splits are not a valid data set.
    """
    out = Path(out)
    check_description(str(out), name, height, width, classes, frames)
    for part in SPLITS:
        images = splits[part].images
        if images.dtype != np.uint8 or images.shape[1:] != (height, width, 3):
            raise TransferError(
                f"Expected uint8 (N, {height}, {width}, 3) for the {part} split of {out}. "
                f"Received: {images.dtype} {images.shape}."
            )
        _check_split(str(out), part, splits[part], classes)
    description = {"name": name, "height": height, "width": width, "classes": list(classes)}
    description |= {} if frames else {"frames": False}
    text = json.dumps({**description, "recipe": dict(recipe)}, indent=1) + "\n"
    with new_folder(out) as folder:
        for part in SPLITS:
            split = splits[part]
            _save(folder / f"{part}_data.npy", split.images.reshape(len(split.images), -1))
            _save(folder / f"{part}_labels.npy", split.labels.astype(np.int64))
            if split.recordings is not None:
                _save(folder / f"{part}_recordings.npy", split.recordings.astype(np.int64))
        for file, content in {**beside, "dataset.json": text.encode()}.items():
            (folder / file).write_bytes(content)


def _save(path: Path, array: np.ndarray) -> None:
    with open(path, "wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())


def equals(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices that leave every class as large as the smallest: int64 (M,), rising."""
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    return np.sort(np.concatenate([one[:smallest] for one in shuffled_classes(labels, seed)]))


def stratified_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Indices of a share of every class, at least one image each: int64 (M,), rising.

    Nested: for one seed, the indices of a smaller fraction are among those of a larger one.
    """
    if not 0 < fraction <= 1:
        raise TransferError(f"Expected a fraction in (0, 1]. Received: {fraction}.")
    classes = shuffled_classes(labels, seed)
    return np.sort(np.concatenate([one[: max(1, round(fraction * len(one)))] for one in classes]))


def shuffled_classes(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The indices of each class in an order that is a function of (seed, class)."""
    return [
        np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels == label))
        for label in np.unique(labels)
    ]
