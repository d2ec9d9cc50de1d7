"""List the images that a CSV names, each with its label.

::

    path,label
    2024/kitchen_001.jpg,cup
    2024/kitchen_002.png,plate

The first line may name the columns: ``path`` (or file, filename, image) and ``label`` (or class);
``split`` (train, valid, val, validation, test) if the images are split already; ``group`` if images
belong together, so that no group is divided. Other columns are not looked at. Without such a line
the first column is the path, the second the label.

Paths are relative to the folder of the CSV, with ``/`` or ``\\`` between their parts. None may lead
out of that folder, by ``..`` or by a link. Classes are numbered in the order of their names.
Without a column ``split``, images are split as `transfer.tasks.imports.listing` says.
"""

import csv
import re
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
    listing_of,
    split_listing,
)
from transfer.tasks.imports.recordings import MAX_RECORDS, plain_file, read_text

_NAMES = {
    "path": ("path", "file", "filename", "image"),
    "label": ("label", "class"),
    "split": ("split",),
    "group": ("group",),
}
_MOST_CHARACTERS = 256  # of a label, a split or a group


def is_csv_list(src: Path) -> bool:
    """Whether ``src`` is a CSV file."""
    return src.suffix.lower() == ".csv" and src.is_file()


def read_csv_list(src: Path, group: str | None = None) -> Listing:
    """List the images of the CSV file ``src`` by split and class.

    Parameters
    ----------
    src : Path
    group : str or None
        A regular expression; what its first parenthesis captures in a path is the group of an
        image. None: the column ``group``, if there is one.

    Raises
    ------
    TransferError
        If ``group`` is no such expression, or the images are split already.
    TransferError
        If the CSV is damaged, a path leads out of its folder, one image has two labels, or the
        images cannot be split.
    """
    columns, rows = _table(src)
    if group is not None and "split" in columns:
        raise TransferError(f"Expected no --group: {src} has a column split.")
    found: dict[str, tuple[str, ...]] = {}
    repeated = 0
    for number, row in rows:
        cells = _cells(src, number, row, columns)
        name = re.sub(r"[/\\]+", "/", cells.pop("path").strip())
        if found.setdefault(name, tuple(cells.values())) != tuple(cells.values()):
            raise TransferError(
                f"Expected one label, split and group an image in {src}. Line {number} has others "
                f"for {name[:80]!r} than a line before."
            )
        repeated += 1
    names = list(found)
    repeated -= len(names)
    others = [column for column in columns if column != "path"]
    values = dict(zip(others, zip(*found.values(), strict=True), strict=True))
    classes = tuple(sorted(set(values["label"]), key=in_order))
    number_of = {name: number for number, name in enumerate(classes)}
    labels = np.array([number_of[label] for label in values["label"]], np.int64)
    images = _inside(src.parent, names)
    dropped = {"repeated line": repeated}
    if group is not None:
        groups: list[str] | None = groups_by_pattern(group, names)
    else:
        groups = list(values["group"]) if "group" in values else None
    if "split" not in values:
        return split_listing(src, classes, images, names, labels, groups, dropped)
    split = np.array([_split_number(src, text) for text in values["split"]], np.int64)
    missing = [name for number, name in enumerate(SPLITS) if number not in split]
    if missing:
        raise TransferError(f"Expected images for {missing[0]} in the column split of {src}.")
    order = np.array(sorted(range(len(names)), key=lambda i: in_order(names[i])))
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]
    remark = "split as the column split says"
    return listing_of(classes, images, labels, split, order, numbers, dropped, remark)


def _table(src: Path) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Where the columns stand, and the lines below the header, with their numbers."""
    try:
        lines = read_text(src).removeprefix("\ufeff").splitlines()
        rows = [(n, row) for n, row in enumerate(csv.reader(lines, strict=True), 1) if any(row)]
    except csv.Error as error:
        raise TransferError(f"Expected comma-separated lines in {src}: {error}.") from error
    if len(rows) > MAX_RECORDS:
        raise TransferError(f"Expected at most {MAX_RECORDS} lines in {src}.")
    first = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    named = [(column, place) for column in _NAMES for place in _places(first, column)]
    columns = dict(named)
    if len(columns) < len(named):
        raise TransferError(f"Expected each of {', '.join(_NAMES)} once in the header of {src}.")
    if "path" in columns and "label" in columns:
        rows = rows[1:]
    elif len(first) >= 2 and first[0].endswith(SUFFIXES):
        columns = {"path": 0, "label": 1}
    else:
        raise TransferError(
            f"Expected the columns path and label, separated by commas, in the first line of {src}."
            f" Received: {', '.join(first)[:80]!r}."
        )
    if not rows:
        raise TransferError(f"Expected a line for each image in {src}. It has none.")
    return columns, rows


def _places(header: list[str], column: str) -> list[int]:
    return [place for place, cell in enumerate(header) if cell in _NAMES[column]]


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


def _split_number(src: Path, text: str) -> int:
    if text.lower() not in SPLIT_OF:
        raise TransferError(
            f"Expected train, valid or test in the column split of {src}. Received: {text[:80]!r}."
        )
    return SPLIT_OF[text.lower()]


def _inside(folder: Path, names: list[str]) -> list[Path]:
    """The files, if each is one inside ``folder`` by plain names and without a link."""
    folders = {"": folder}
    paths = []
    for name in names:
        parent, slash, last = name.rpartition("/")
        if parent + slash not in folders:  # "/x.jpg" has an empty parent, which is no plain name
            found = folder
            for part in parent.split("/"):
                found = plain_file(found, part)
            folders[parent + slash] = found
        paths.append(plain_file(folders[parent + slash], last))
    return paths
