"""Images of classes, listed before any is opened; those that a CSV names.

The first line may name the columns: ``path`` (or file, filename, image), ``label`` (or class),
``split`` and ``group``; without it, the first column is the path and the second the label. Paths
are relative to the folder of the CSV, and none may lead out of it.
"""

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
