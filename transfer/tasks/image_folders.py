"""Read folders of images, one folder a class, and split them if nobody has.

Two layouts: ``SRC/train/CLASS``, ``SRC/valid/CLASS`` (or ``val``, ``validation``) and
``SRC/test/CLASS``, taken as they are; or ``SRC/CLASS``, which is split here. Classes are numbered
in the order of their names.

Names of frames are usually in the order of time, so the split goes by the order of names, never at
random: the first 80 % are train, the next 10 % valid, the last 10 % test, and 2 % are dropped at
the end of train and of valid, so that no frame has its neighbour in another split. Where names
run through all classes (``left/0017.jpg``, ``forward/0018.jpg``) they are ordered together, and the
same stretch of time is test for every class; where that would leave a class out of a split, each
class is split in its own order. Numbers in names count as numbers: 9 comes before 10.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.dataset import SPLITS
from transfer.tasks.drives import MAX_RECORDS, plain_file
from transfer.tasks.images import SUFFIXES

_SPLIT_OF = {"train": 0, "valid": 1, "val": 1, "validation": 1, "test": 2}
_TRAIN, _VALID, _GAP = 0.8, 0.1, 0.02
_LEAST = 20  # images of a class that can be split: one or two for valid and for test
_LEAST_SHARE = 0.05  # of a class in valid and in test, if classes are split together


@dataclass(frozen=True, eq=False)
class ImageFolders:
    """Images by split, before any is opened.

    Attributes
    ----------
    classes : tuple of str
    images : dict
        For each split, the paths, in the order of names.
    labels : dict
        For each split, int64 (N,).
    dropped : dict
        Files left out, by reason.
    remark : str
        How the split was made, in words.
    """

    classes: tuple[str, ...]
    images: dict[str, list[Path]]
    labels: dict[str, np.ndarray]
    dropped: dict[str, int]
    remark: str


def is_image_folders(src: Path) -> bool:
    """Whether images lie in folders of ``src``, or in folders of its train, valid and test."""
    folders = _folders(src)
    below = [inner for folder in folders if _names_split(folder) for inner in _folders(folder)]
    return any(_is_image(file) for folder in folders + below for file in _entries(folder))


def read_image_folders(src: Path) -> ImageFolders:
    """List the images of ``src`` by split and class.

    Raises
    ------
    TransferError
        If a split or a class is missing somewhere, a class has too few images to be split, or a
        file or folder is a link.
    """
    if any(_names_split(folder) for folder in _folders(src)):
        return _read_split(src)
    classes, images, labels, other = _read_classes(src)
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < _LEAST:
        raise TransferError(
            f"Expected at least {_LEAST} images of every class in {src}, to split them. Received: "
            f"{counts.min()} of {classes[int(counts.argmin())]!r}; add some, or make folders "
            "train, valid and test yourself."
        )
    split, order, together = split_by_name([image.name for image in images], labels)
    chosen = {name: [int(i) for i in order if split[i] == s] for s, name in enumerate(SPLITS)}
    return ImageFolders(
        classes,
        {name: [images[i] for i in indices] for name, indices in chosen.items()},
        {name: labels[indices] for name, indices in chosen.items()},
        {"no .jpg, .jpeg or .png": other, "next to another split": int((split < 0).sum())},
        f"split by the order of file names, {'all classes together' if together else 'by class'}, "
        f"taken for the order of time: the first {_TRAIN:.0%} train, then {_VALID:.0%} valid, "
        f"the last {1 - _TRAIN - _VALID:.0%} test, {_GAP:.0%} dropped between splits",
    )


def _read_split(src: Path) -> ImageFolders:
    folders = _folders(src)
    splits = [folder for folder in folders if _names_split(folder)]
    if sorted(_SPLIT_OF[folder.name.lower()] for folder in splits) != [0, 1, 2]:
        raise TransferError(
            f"Expected one folder each of train, valid (or val, validation) and test in {src}. "
            f"Received: {', '.join(folder.name for folder in splits)}; to have images split, put "
            "the folders of the classes right into one folder."
        )
    splits.sort(key=lambda folder: _SPLIT_OF[folder.name.lower()])
    read = [_read_classes(plain_file(src, folder.name)) for folder in splits]
    for folder, (classes, *_) in zip(splits, read, strict=True):
        if classes != read[0][0]:
            differing = sorted(set(classes) ^ set(read[0][0]))
            raise TransferError(
                f"Expected the same classes in {splits[0]} and {folder}. Received: "
                f"{differing[0]!r} in one of them only."
            )
    other = sum(others for *_, others in read)
    return ImageFolders(
        read[0][0],
        {name: images for name, (_, images, _, _) in zip(SPLITS, read, strict=True)},
        {name: labels for name, (_, _, labels, _) in zip(SPLITS, read, strict=True)},
        {
            "no .jpg, .jpeg or .png": other,
            "folder beside train, valid and test": len(folders) - len(splits),
        },
        "split as the folders are",
    )


def _read_classes(src: Path) -> tuple[tuple[str, ...], list[Path], np.ndarray, int]:
    """Names of classes, images by class and name, labels, and how many other files there are."""
    folders = _folders(src)
    if len(folders) < 2:
        raise TransferError(
            f"Expected a folder of images for each of two or more classes in {src}. "
            f"Received: {len(folders)}."
        )
    images: list[Path] = []
    labels: list[int] = []
    other = 0
    for label, folder in enumerate(folders):
        plain_file(src, folder.name)
        files = _entries(folder)
        names = sorted((file.name for file in files if _is_image(file)), key=_in_order)
        if not names:
            raise TransferError(f"Expected .jpg, .jpeg or .png images in {folder}. It has none.")
        images += [plain_file(folder, name) for name in names]
        labels += [label] * len(names)
        other += len(files) - len(names)
        if len(images) > MAX_RECORDS:
            raise TransferError(f"Expected at most {MAX_RECORDS} images in {src}.")
    return tuple(folder.name for folder in folders), images, np.array(labels, np.int64), other


def split_by_name(names: list[str], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Assign images to train (0), valid (1), test (2) or none (-1), by the order of names.

    Parameters
    ----------
    names : list of str, length N
        Names of files without their folders.
    labels : int64 (N,)

    Returns
    -------
    split : int64 (N,)
    order : int64 (N,)
        Indices in the order that was cut.
    together : bool
        Whether that is the order of all names, or that of each class, one after the other.
    """
    order = np.array(sorted(range(len(names)), key=lambda i: _in_order(names[i])))
    split = np.empty(len(names), np.int64)
    split[order] = _cut(len(names))
    classes = [order[labels[order] == label] for label in np.unique(labels)]
    shares = [np.bincount(split[of] + 1, minlength=4)[1:] / len(of) for of in classes]
    if np.min(shares) >= _LEAST_SHARE:
        return split, order, True
    for of in classes:
        split[of] = _cut(len(of))
    return split, np.concatenate(classes), False


def _cut(count: int) -> np.ndarray:
    """Split of each of ``count`` images in order, with a gap at the end of train and of valid."""
    gap = max(1, round(_GAP * count))
    valid, test = round(_TRAIN * count), round((_TRAIN + _VALID) * count)
    split = np.repeat([0, 1, 2], [valid, test - valid, count - test])
    split[valid - gap : valid] = -1
    split[test - gap : test] = -1
    return split


def _in_order(name: str) -> list[str | int]:
    """A key that orders numbers in names as numbers; text and numbers alternate."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _folders(src: Path) -> list[Path]:
    """Folders of classes or splits, in the order of their names; hidden ones are not looked at."""
    found = [entry for entry in _entries(src) if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(found, key=lambda folder: folder.name)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TransferError(f"Expected to list {folder}. Received: {error.strerror}.") from error


def _names_split(folder: Path) -> bool:
    return folder.name.lower() in _SPLIT_OF


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not file.is_dir()
