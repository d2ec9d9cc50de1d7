"""Images of classes, listed before any is opened: those of folders, or those that a CSV names.

A CSV has the columns path (or file, filename, image), label (or class), and may have split and
group; without a line of names, the first two. No path may lead out of its folder.
"""

import csv
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.images import SUFFIXES
from transfer.tasks.imports.recordings import plain_name, read_lines, refuse_more

SPLIT_OF = {"train": 0, "valid": 1, "val": 1, "validation": 1, "test": 2}
_COLUMN_OF = {
    **dict.fromkeys(("path", "file", "filename", "image"), "path"),
    **dict.fromkeys(("label", "class"), "label"),
    **{"split": "split", "group": "group"},
}
_MOST_CHARACTERS = 256  # of a label, a split or a group
_OTHER = "no image by its name"
_IGNORED = ("__MACOSX",)  # what an archive made on a Mac brings along


@dataclass(frozen=True, eq=False)
class Listing:
    """Images of classes, before any is opened; `transfer.tasks.imports.splits` orders them."""

    src: Path  #: the folder that holds all of them
    classes: tuple[str, ...]
    images: list[str]  #: N paths below ``src``
    labels: np.ndarray  #: int64 (N,)
    left_out: list[tuple[str, str]]  #: files and folders that are not imported, and why
    dropped: Mapping[str, int]  #: numbers of other things left out, by reason
    #: by whose order images are split: ``images``, or the part below the class
    names: list[str] = field(default_factory=list)
    groups: list[str] | None = None  #: what belongs together; None if that is not known
    #: int64 (N,), 0 train, 1 valid, 2 test, -1 none; None: not split yet
    split: np.ndarray | None = None
    recordings: np.ndarray | None = None  #: see `transfer.tasks.dataset.Split`
    frames: bool = True  #: see `transfer.tasks.dataset.Dataset`
    remarks: tuple[str, ...] = ()  #: how labels and splits were made
    recipe: Mapping[str, Any] = field(default_factory=dict)  #: the same for ``dataset.json``


def in_order(name: str) -> str:
    """A key that orders numbers in names as numbers: 9 comes before 10."""
    return re.sub(
        "0*([0-9]*)", lambda part: f"{len(part[1]):05d}{part[1]}" if part[0] else "", name
    )


def numbered(texts: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The different texts in order, and for each text its number, int64 (N,)."""
    unique = tuple(sorted(set(texts), key=in_order))
    number_of = {text: number for number, text in enumerate(unique)}
    return unique, np.array([number_of[text] for text in texts], np.int64)


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV that are not empty, each with the number of its line."""
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            raise TransferError(
                f"Expected comma-separated lines in {path}. Line {number}: {error}."
            ) from error
        if any(row):
            yield number, row


def is_csv_list(src: Path) -> bool:
    """Whether ``src`` is a CSV file."""
    return src.suffix.lower() == ".csv" and src.is_file()


def read_csv_list(src: Path) -> Listing:
    """List the images of the CSV file ``src``."""
    columns: dict[str, int] = {}
    lines: dict[str, tuple[str, ...]] = {}  # label, split and group of each path
    repeated = 0
    for number, row in csv_rows(src):
        if not columns:
            columns, is_header = _columns(src, row)
            if is_header:
                continue
        cells = _cells(src, number, row, columns)
        name = re.sub(r"[/\\]+", "/", cells.pop("path"))
        values = tuple(map(sys.intern, cells.values()))  # equal texts are kept once
        if name in lines and lines[name] != values:
            raise TransferError(
                f"Expected one label, split and group an image in {src}. Line {number} has others "
                f"for {name[:80]!r} than a line before."
            )
        repeated += name in lines
        lines[name] = values
        refuse_more(len(lines), src)
    folders: dict[str, bool] = {}
    left_out = [
        (name, "its folder is a link") for name in lines if not _inside(src.parent, name, folders)
    ]
    for name, _ in left_out:
        del lines[name]
    if not lines:
        which = "whose folder is no link" if left_out else "at all"
        raise TransferError(f"Expected a line for each image in {src}. It has none {which}.")
    others = [column for column in columns if column != "path"]
    values_of = dict(zip(others, map(list, zip(*lines.values(), strict=True)), strict=True))
    classes, labels = numbered(values_of["label"])
    split = None
    if "split" in values_of:
        names = [text.lower() for text in values_of["split"]]
        if wrong := next((name for name in names if name not in SPLIT_OF), None):
            raise TransferError(
                f"Expected train, valid or test in the column split of {src}. Received: "
                f"{wrong[:80]!r}."
            )
        split = np.array([SPLIT_OF[name] for name in names], np.int64)
    images = list(lines)
    dropped = {"repeated line": repeated}
    groups = values_of.get("group")
    return Listing(src.parent, classes, images, labels, left_out, dropped, images, groups, split)


def _columns(src: Path, row: list[str]) -> tuple[dict[str, int], bool]:
    """Where the columns stand, by the first line, and whether that line names them."""
    first = [cell.strip().lower() for cell in row]
    named = [(_COLUMN_OF[cell], at) for at, cell in enumerate(first) if cell in _COLUMN_OF]
    columns = dict(named)
    if len(columns) < len(named):
        known = ", ".join(dict.fromkeys(_COLUMN_OF.values()))
        raise TransferError(f"Expected each of {known} once in the header of {src}.")
    if "path" in columns and "label" in columns:
        return columns, True
    if len(first) >= 2 and first[0].endswith(SUFFIXES):
        return {"path": 0, "label": 1}, False
    raise TransferError(
        f"Expected the columns path and label, separated by commas, in the first line of {src}. "
        f"Received: {', '.join(first)[:80]!r}."
    )


def _cells(src: Path, number: int, row: list[str], columns: dict[str, int]) -> dict[str, str]:
    if len(row) <= max(columns.values()):
        raise TransferError(
            f"Expected {max(columns.values()) + 1} columns in line {number} of {src}. "
            f"Received: {len(row)}."
        )
    cells = {column: row[place].strip() for column, place in columns.items()}
    for column, text in cells.items():
        if not text or (column != "path" and len(text) > _MOST_CHARACTERS):
            raise TransferError(
                f"Expected a {column} of 1..{_MOST_CHARACTERS} characters in line {number} of "
                f"{src}. Received: {text[:80]!r}."
            )
    return cells


def _inside(src: Path, name: str, folders: dict[str, bool]) -> bool:
    """Whether the folders of a path are plain ones, no links; what is known of them is kept."""
    parent, slash, last = name.rpartition("/")
    plain_name(src, last)
    if not slash:
        return True
    if parent not in folders:  # "/x.jpg" has an empty parent, which is no plain name
        plain_name(src, parent.rpartition("/")[2])
        folders[parent] = _inside(src, parent, folders) and not (src / parent).is_symlink()
    return folders[parent]


def holds_images(src: Path) -> bool:
    """Whether there are images in folders below ``src``."""
    return any(is_image and "/" in name for name, is_image, _ in walk(src))


def read_image_folders(src: Path) -> Listing:
    """List the images below ``src`` by class, and by split if they are split."""
    images: list[str] = []
    left_out: list[tuple[str, str]] = []
    folders_of_others: dict[str, int] = {}
    for name, is_image, is_link in walk(src):
        refuse_more(len(images) + len(left_out), src)
        folder = name.rpartition("/")[0]
        if is_link:
            left_out.append((name, "a link, which is not followed"))
        elif is_image and folder:
            images.append(name)
        elif is_image:
            left_out.append((name, "in no folder of a class"))
        else:
            folders_of_others[folder] = folders_of_others.get(folder, 0) + 1
    images.sort(key=in_order)
    parts = [name.split("/") for name in images]
    depth = _shared(parts)
    with_images = {"/".join(part[:end]) for part in parts for end in range(len(part))}
    left_out += [
        (folder, "a folder without images")
        for folder in folders_of_others
        if folder not in with_images
    ]
    splits = {part[depth] for part in parts if part[depth].lower() in SPLIT_OF}
    is_split = "train" in map(str.lower, splits)
    is_split &= all(len(part) > depth + 2 for part in parts if part[depth] in splits)
    if is_split:
        left_out += [
            (name, "beside train, valid and test")
            for name, part in zip(images, parts, strict=True)
            if part[depth] not in splits
        ]
        parts = [part for part in parts if part[depth] in splits]
        images = ["/".join(part) for part in parts]
    split = np.array([SPLIT_OF.get(part[depth].lower(), 0) for part in parts], np.int64)
    depth += is_split
    classes = tuple(sorted({part[depth] for part in parts}))
    if len(classes) < 2:
        raise TransferError(
            f"Expected a folder of images for each of two or more classes in {src}. "
            f"Received: {len(classes)}."
        )
    number_of = {name: number for number, name in enumerate(classes)}
    labels = np.array([number_of[part[depth]] for part in parts], np.int64)
    for number in np.unique(split):
        missing = set(range(len(classes))) - set(labels[split == number].tolist())
        if missing:
            raise TransferError(
                f"Expected the same classes in all splits of {src}. Received: no image of "
                f"{classes[min(missing)]!r} in {parts[int(np.argmax(split == number))][depth - 1]}."
            )
    names = ["/".join(part[depth + 1 :]) for part in parts]
    known = split if is_split else None
    dropped = {_OTHER: sum(folders_of_others.values())}
    return Listing(src, classes, images, labels, left_out, dropped, names, split=known)


def _shared(parts: list[list[str]]) -> int:
    """How many folders, from ``src`` downwards, all images share."""
    folders = [part[:-2] for part in (min(parts), max(parts))] if parts else [[], []]
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False)))


def walk(src: Path) -> Iterator[tuple[str, bool, bool]]:
    """Each plain file below ``src``: path, whether an image by its name, whether a link."""
    below = [""]
    while below:
        folder = below.pop()
        try:
            with os.scandir(src / folder) as entries:
                for entry in entries:
                    name = folder + entry.name
                    if entry.name.startswith(".") or entry.name in _IGNORED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(f"{name}/")
                    else:
                        is_image = entry.name.lower().endswith(SUFFIXES)
                        yield name, is_image, entry.is_symlink()
        except OSError as error:
            raise TransferError(
                f"Expected to list {src / folder}. Received: {error.strerror}."
            ) from error
