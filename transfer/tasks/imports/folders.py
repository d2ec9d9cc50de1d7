"""List folders of images, one folder a class.

Two layouts: ``SRC/train/CLASS``, ``SRC/valid/CLASS`` (or ``val``, ``validation``) and
``SRC/test/CLASS``, taken as they are; or ``SRC/CLASS``, which is split as
`transfer.tasks.imports.listing` says. Classes are numbered in the order of their names.
"""

from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.dataset import SPLITS
from transfer.tasks.imports.images import SUFFIXES
from transfer.tasks.imports.listing import (
    SPLIT_OF,
    Listing,
    groups_by_pattern,
    in_order,
    split_listing,
)
from transfer.tasks.imports.recordings import MAX_RECORDS, plain_file

_OTHER, _INNER = "no .jpg, .jpeg or .png", "folder inside a class"


def is_image_folders(src: Path) -> bool:
    """Whether images lie in folders of ``src``, or in folders of its train, valid and test."""
    folders = _folders(src)
    below = [inner for folder in folders if _names_split(folder) for inner in _folders(folder)]
    return any(_is_image(file) for folder in folders + below for file in _entries(folder))


def read_image_folders(src: Path, group: str | None = None) -> Listing:
    """List the images of ``src`` by split and class.

    Parameters
    ----------
    src : Path
    group : str or None
        A regular expression; what its first parenthesis captures in ``CLASS/NAME`` is the group of
        an image, and no group is divided. None: split by the order of names.

    Raises
    ------
    TransferError
        If ``group`` is no such expression, or the images are split already.
    TransferError
        If a split or a class is missing somewhere, a class has too few images to be split, or a
        file or folder is a link.
    """
    if any(_names_split(folder) for folder in _folders(src)):
        if group is not None:
            raise TransferError(f"Expected no --group: the images in {src} are split already.")
        return _read_split(src)
    classes, images, labels, dropped = _read_classes(src)
    groups = None
    if group is not None:
        groups = groups_by_pattern(group, [f"{path.parent.name}/{path.name}" for path in images])
    names = [image.name for image in images]
    return split_listing(src, classes, images, names, labels, groups, dropped)


def _read_split(src: Path) -> Listing:
    folders = _folders(src)
    splits = [folder for folder in folders if _names_split(folder)]
    if sorted(SPLIT_OF[folder.name.lower()] for folder in splits) != [0, 1, 2]:
        raise TransferError(
            f"Expected one folder each of train, valid (or val, validation) and test in {src}. "
            f"Received: {', '.join(folder.name for folder in splits)}; to have images split, put "
            "the folders of the classes right into one folder."
        )
    splits.sort(key=lambda folder: SPLIT_OF[folder.name.lower()])
    read = [_read_classes(plain_file(src, folder.name)) for folder in splits]
    for folder, (classes, *_) in zip(splits, read, strict=True):
        if classes != read[0][0]:
            differing = sorted(set(classes) ^ set(read[0][0]))
            raise TransferError(
                f"Expected the same classes in {splits[0]} and {folder}. Received: "
                f"{differing[0]!r} in one of them only."
            )
    dropped = {reason: sum(dropped[reason] for *_, dropped in read) for reason in (_OTHER, _INNER)}
    dropped["folder beside train, valid and test"] = len(folders) - len(splits)
    return Listing(
        read[0][0],
        {name: images for name, (_, images, _, _) in zip(SPLITS, read, strict=True)},
        {name: labels for name, (_, _, labels, _) in zip(SPLITS, read, strict=True)},
        None,
        dropped,
        "split as the folders are",
    )


def _read_classes(src: Path) -> tuple[tuple[str, ...], list[Path], np.ndarray, dict[str, int]]:
    """Names of classes, images by class and name, labels, and what else there is."""
    folders = _folders(src)
    if len(folders) < 2:
        raise TransferError(
            f"Expected a folder of images for each of two or more classes in {src}. "
            f"Received: {len(folders)}."
        )
    images: list[Path] = []
    labels: list[int] = []
    dropped = {_OTHER: 0, _INNER: 0}
    for label, folder in enumerate(folders):
        plain_file(src, folder.name)
        files = _entries(folder)
        names = sorted((file.name for file in files if _is_image(file)), key=in_order)
        if not names:
            raise TransferError(f"Expected .jpg, .jpeg or .png images in {folder}. It has none.")
        images += [plain_file(folder, name) for name in names]
        labels += [label] * len(names)
        inner = sum(file.is_dir() for file in files)
        dropped[_INNER] += inner
        dropped[_OTHER] += len(files) - len(names) - inner
        if len(images) > MAX_RECORDS:
            raise TransferError(f"Expected at most {MAX_RECORDS} images in {src}.")
    return tuple(folder.name for folder in folders), images, np.array(labels, np.int64), dropped


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
    return folder.name.lower() in SPLIT_OF


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not file.is_dir()
