"""Bring foreign images into the layout of a data set: drives split by time, folders by name.

A drive is a Donkeycar tub or a recording of Udacity's simulator. Its steering is a number in
-1..1, -1 = full left, 1 = full right. Within ``dead_zone`` of 0 the label is forward (0), below it
left (1), above it right (2). It is split by blocks of driving time; see `transfer.tasks.blocks`.

Folders of images have their own classes; see `transfer.tasks.image_folders`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError, UsageError
from transfer.files import refuse_occupied
from transfer.progress import track
from transfer.tasks.blocks import driving_clock, split_by_blocks
from transfer.tasks.dataset import (
    CLASSES,
    HEIGHT,
    MAX_SIDE,
    SPLITS,
    WIDTH,
    Split,
    check_description,
    write_dataset,
)
from transfer.tasks.drives import Drive
from transfer.tasks.image_folders import is_image_folders, read_image_folders
from transfer.tasks.images import read_images
from transfer.tasks.tubs import tub_reader
from transfer.tasks.udacity import is_udacity, read_udacity


@dataclass(frozen=True)
class ImportSummary:
    """What an import kept and dropped; `lines` says it in words.

    Attributes
    ----------
    records : int
        Kept and dropped together.
    counts : dict
        For each split, the number of images of each class.
    dropped : dict
        Records left out, by reason.
    remarks : tuple of str
        How labels and splits were made.
    """

    records: int
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    dropped: dict[str, int]
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary for a person."""
        lines = [f"{self.records} records", *self.remarks]
        for split, counts in self.counts.items():
            shares = (
                f"{name} {count} ({count / sum(counts):.1%})"
                for name, count in zip(self.classes, counts, strict=True)
            )
            lines.append(f"{split}: {sum(counts)} images: {', '.join(shares)}")
        lines += [f"dropped {count}: {reason}" for reason, count in self.dropped.items() if count]
        return lines


def detect_and_import(src: str | Path, out: str | Path, **options: Any) -> ImportSummary:
    """Import whatever ``src`` is; options as in `import_drive` or `import_image_folders`.

    Raises
    ------
    TransferError
        If ``src`` is nothing that can be imported; otherwise as these two.
    """
    src = Path(src)
    try:
        is_drive = _drive_reader(src) is not None
        is_folder = src.is_dir()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise TransferError(f"Expected a folder at {src}. Received: {error.strerror}.") from error
    if is_drive:
        return import_drive(src, out, **options)
    if is_folder and is_image_folders(src):
        return import_image_folders(src, out, **options)
    raise TransferError(
        f"Expected at {src} a Donkeycar tub (manifest.json or record_*.json), a recording of "
        "Udacity's simulator (driving_log.csv and IMG) or a folder of images for each class. "
        f"Received: {'another folder' if is_folder else 'no folder'}."
    )


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text such as ``45x80``; a `UsageError` if it is none."""
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise UsageError(
            f"Expected --size HxW such as {HEIGHT}x{WIDTH}, sides of 1..{MAX_SIDE} pixels. "
            f"Received: {text!r}."
        )
    return sides


def import_drive(
    src: str | Path,
    out: str | Path,
    *,
    block_seconds: float = 10.0,
    gap_seconds: float = 2.0,
    dead_zone: float = 0.1,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
) -> ImportSummary:
    """Write the tub or recording ``src`` as a data set; see the module for labels and split.

    Images that are missing or cannot be read are left out and counted: a recording that was cut
    off has such. The first is named among the remarks.

    Parameters
    ----------
    block_seconds : float
        Length of a block on the driving clock, above 0.
    gap_seconds : float
        Least distance between frames of different splits on the driving clock, 0 or more.
    dead_zone : float
        Steering in [-dead_zone, dead_zone] is forward; in [0, 1).
    height, width : int
        Images are shrunk to this size as a whole, nothing is cropped.
    name : str, optional
        Name of the data set; by default that of the folder ``out``.

    Returns
    -------
    ImportSummary

    Raises
    ------
    TransferError
        If ``src`` is no drive, a record points outside it, ``out`` is occupied, or no split of the
        drive has all classes everywhere.
    """
    src, out = Path(src), Path(out)
    if not (block_seconds > 0 and gap_seconds >= 0 and 0 <= dead_zone < 1):
        raise TransferError(
            "Expected block_seconds > 0, gap_seconds >= 0 and 0 <= dead_zone < 1. "
            f"Received: {block_seconds}, {gap_seconds}, {dead_zone}."
        )
    refuse_occupied(out)
    reader = _drive_reader(src)
    if reader is None:
        raise TransferError(f"Expected a Donkeycar tub or a driving_log.csv in {src}.")
    drive = reader(src.resolve())
    labels = np.where(drive.angles < -dead_zone, 1, np.where(drive.angles > dead_zone, 2, 0))
    clock, pauses = driving_clock(drive.seconds, drive.sessions)
    split = split_by_blocks(clock, labels, block_seconds, gap_seconds)
    recordings = _stretches(split, pauses)
    of_split = {name: np.flatnonzero(split == number) for number, name in enumerate(SPLITS)}
    near = {f"within {gap_seconds:g} s of another split": int((split < 0).sum())}
    plan = _Plan(
        CLASSES,
        {key: [drive.images[i] for i in indices] for key, indices in of_split.items()},
        {key: labels[indices] for key, indices in of_split.items()},
        {key: recordings[indices] for key, indices in of_split.items()},
        drive.dropped | near,
        (
            drive.clock,
            f"dead zone {dead_zone:g}: steering below -{dead_zone:g} is left, "
            f"above {dead_zone:g} is right",
            f"split by blocks of {block_seconds:g} s, {gap_seconds:g} s between splits",
        ),
        {
            "importer": "udacity" if is_udacity(src) else "tub",
            "dead_zone": dead_zone,
            "block_seconds": block_seconds,
            "gap_seconds": gap_seconds,
        },
        leave_out_unreadable=True,
    )
    return _write(plan, out, height, width, name)


def _drive_reader(src: Path) -> Callable[[Path], Drive] | None:
    return tub_reader(src) or (read_udacity if is_udacity(src) else None)


def _stretches(split: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """Number the recordings: stretches without a pause within one split, int64 (N,)."""
    starts = pauses | np.concatenate([[True], split[1:] != split[:-1]])
    return np.cumsum(starts) - 1


def import_image_folders(
    src: str | Path,
    out: str | Path,
    *,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
) -> ImportSummary:
    """Write folders of images as a data set; see `transfer.tasks.image_folders` for the split.

    Parameters
    ----------
    height, width : int
        Images are resized to this size as a whole, nothing is cropped.
    name : str, optional
        Name of the data set; by default that of the folder ``out``.

    Raises
    ------
    TransferError
        If classes or splits are missing, a class is too small to be split, an image cannot be
        read, or ``out`` is occupied.
    """
    src, out = Path(src), Path(out)
    refuse_occupied(out)
    found = read_image_folders(src.resolve())
    plan = _Plan(
        found.classes,
        found.images,
        found.labels,
        None,
        found.dropped,
        (found.remark,),
        {"importer": "image folders", "split": found.remark},
        leave_out_unreadable=False,
    )
    return _write(plan, out, height, width, name)


@dataclass(frozen=True, eq=False)
class _Plan:
    """A data set before any image is opened; images, labels and recordings by split."""

    classes: tuple[str, ...]
    images: Mapping[str, list[Path]]
    labels: Mapping[str, np.ndarray]
    recordings: Mapping[str, np.ndarray] | None
    dropped: Mapping[str, int]
    remarks: tuple[str, ...]
    recipe: Mapping[str, Any]
    leave_out_unreadable: bool


def _write(plan: _Plan, out: Path, height: int, width: int, name: str | None) -> ImportSummary:
    """Read the images and write the data set; what cannot work is refused before reading."""
    name = name or out.resolve().name
    check_description(str(out), name, height, width, plan.classes)
    total = sum(map(len, plan.images.values()))
    progress = iter(track(range(total), total, f"Importing to {out.name}"))
    splits = {}
    unreadable: list[TransferError] = []
    for split, paths in plan.images.items():
        images, kept = read_images(
            paths, height, width, progress, unreadable if plan.leave_out_unreadable else None
        )
        recordings = plan.recordings[split][kept] if plan.recordings else None
        splits[split] = Split(images, plan.labels[split][kept], recordings)
    dropped = {**plan.dropped, "image missing or unreadable": len(unreadable)}
    recipe = {**plan.recipe, "dropped": dropped}
    write_dataset(
        out, splits, name=name, height=height, width=width, classes=plan.classes, recipe=recipe
    )
    return ImportSummary(
        total - len(unreadable) + sum(dropped.values()),
        plan.classes,
        {
            split: tuple(np.bincount(value.labels, minlength=len(plan.classes)).tolist())
            for split, value in splits.items()
        },
        dropped,
        plan.remarks + tuple(f"first image left out: {error}" for error in unreadable[:1]),
    )
