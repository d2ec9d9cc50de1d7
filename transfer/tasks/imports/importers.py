"""Bring foreign images into the layout of a data set: drives split by time, others by name.

A drive is a Donkeycar tub or a recording of Udacity's simulator. Its steering is a number in
-1..1, -1 = full left, 1 = full right. Within ``dead_zone`` of 0 the label is forward (0), below it
left (1), above it right (2). It is split by stretches of driving time; see
`transfer.tasks.imports.stretches`.

Folders of images and images listed in a CSV have their own classes; see
`transfer.tasks.imports.folders` and `transfer.tasks.imports.csv_list`, and for their split
`transfer.tasks.imports.listing`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.files import refuse_occupied
from transfer.tasks.dataset import CLASSES, HEIGHT, MAX_SIDE, SPLITS, WIDTH
from transfer.tasks.imports.csv_list import is_csv_list, read_csv_list
from transfer.tasks.imports.folders import is_image_folders, read_image_folders
from transfer.tasks.imports.listing import Listing
from transfer.tasks.imports.plan import ImportSummary, Plan, carry_out
from transfer.tasks.imports.recordings import Recording
from transfer.tasks.imports.stretches import driving_clock, split_by_stretches
from transfer.tasks.imports.tubs import tub_reader
from transfer.tasks.imports.udacity import is_udacity, read_udacity


def detect_and_import(
    src: str | Path, out: str | Path, *, group: str | None = None, **options: Any
) -> ImportSummary:
    """Import whatever ``src`` is; options as in `import_drive` or `import_images`.

    Raises
    ------
    TransferError
        If ``src`` is nothing that can be imported, or ``group`` is given for a drive, which is
        split by time; otherwise as these two.
    """
    src = Path(src)
    try:
        is_drive = _drive_reader(src) is not None
        is_folder, is_csv = src.is_dir(), is_csv_list(src)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise TransferError(f"Expected a folder at {src}. Received: {error.strerror}.") from error
    if is_drive:
        if group is not None:
            raise TransferError(f"Expected no --group: the drive {src} is split by time.")
        return import_drive(src, out, **options)
    if is_csv or (is_folder and is_image_folders(src)):
        return import_images(src, out, group=group, **options)
    raise TransferError(
        f"Expected at {src} a Donkeycar tub (manifest.json or record_*.json), a recording of "
        "Udacity's simulator (driving_log.csv and IMG), a folder of images for each class, or a "
        f".csv file of paths and labels. Received: {'another folder' if is_folder else 'none'}."
    )


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text such as ``45x80``; a `TransferError` if it is none."""
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise TransferError(
            f"Expected --size HxW such as {HEIGHT}x{WIDTH}, sides of 1..{MAX_SIDE} pixels. "
            f"Received: {text!r}."
        )
    return sides


def import_drive(
    src: str | Path,
    out: str | Path,
    *,
    stretch_seconds: float = 10.0,
    gap_seconds: float = 2.0,
    dead_zone: float = 0.1,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
) -> ImportSummary:
    """Write the tub or recording ``src`` as a data set; see the module for labels and split.

    Images that are missing or cannot be read are left out and counted: a recording that was cut
    off has such.

    Parameters
    ----------
    stretch_seconds : float
        Length of a stretch on the driving clock, above 0.
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
    if not (stretch_seconds > 0 and gap_seconds >= 0 and 0 <= dead_zone < 1):
        raise TransferError(
            "Expected stretch_seconds > 0, gap_seconds >= 0 and 0 <= dead_zone < 1. "
            f"Received: {stretch_seconds}, {gap_seconds}, {dead_zone}."
        )
    refuse_occupied(out)
    reader = _drive_reader(src)
    if reader is None:
        raise TransferError(f"Expected a Donkeycar tub or a driving_log.csv in {src}.")
    recording = reader(src.resolve())
    labels = np.where(
        recording.angles < -dead_zone, 1, np.where(recording.angles > dead_zone, 2, 0)
    )
    clock, pauses = driving_clock(recording.seconds, recording.sessions)
    split = split_by_stretches(clock, labels, stretch_seconds, gap_seconds)
    recordings = _number_recordings(split, pauses)
    chosen = {name: np.flatnonzero(split == number) for number, name in enumerate(SPLITS)}
    near = {f"within {gap_seconds:g} s of another split": int((split < 0).sum())}
    plan = Plan(
        src.resolve(),
        CLASSES,
        {key: [recording.images[i] for i in indices] for key, indices in chosen.items()},
        {key: labels[indices] for key, indices in chosen.items()},
        {key: recordings[indices] for key, indices in chosen.items()},
        recording.dropped | near,
        (
            recording.clock,
            f"dead zone {dead_zone:g}: steering below -{dead_zone:g} is left, "
            f"above {dead_zone:g} is right",
            f"split by stretches of {stretch_seconds:g} s, {gap_seconds:g} s between splits",
        ),
        {
            "importer": "udacity" if is_udacity(src) else "tub",
            "dead_zone": dead_zone,
            "stretch_seconds": stretch_seconds,
            "gap_seconds": gap_seconds,
        },
    )
    return carry_out(plan, out, height, width, name)


def _drive_reader(src: Path) -> Callable[[Path], Recording] | None:
    return tub_reader(src) or (read_udacity if is_udacity(src) else None)


def _number_recordings(split: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """Number the recordings: stretches without a pause within one split, int64 (N,)."""
    starts = pauses | np.concatenate([[True], split[1:] != split[:-1]])
    return np.cumsum(starts) - 1


def import_images(
    src: str | Path,
    out: str | Path,
    *,
    group: str | None = None,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
) -> ImportSummary:
    """Write folders of images, or the images a CSV names, as a data set.

    Images that are missing or cannot be read are left out and counted.

    Parameters
    ----------
    src : path
        A folder as in `transfer.tasks.imports.folders`, or a file as in
        `transfer.tasks.imports.csv_list`.
    group : str or None
        A regular expression whose first parenthesis captures the group of an image in its path
        below ``src``; images of a group stay together. None: split by the order of names, or by the
        column ``group`` of a CSV.
    height, width : int
        Images are resized to this size as a whole, nothing is cropped.
    name : str, optional
        Name of the data set; by default that of the folder ``out``.

    Raises
    ------
    TransferError
        If ``group`` is no such expression, the images are split already, classes or splits are
        missing, a class is too small to be split, a path leads out of the folder, or ``out`` is
        occupied.
    """
    src, out = Path(src).resolve(), Path(out)
    refuse_occupied(out)
    is_csv = is_csv_list(src)
    listing: Listing = (read_csv_list if is_csv else read_image_folders)(src, group)
    recipe: dict[str, Any] = {"importer": "csv" if is_csv else "image folders"}
    recipe |= {"split": listing.remark} | ({"group": group} if group is not None else {})
    plan = Plan(
        src.parent if is_csv else src,
        listing.classes,
        listing.images,
        listing.labels,
        listing.recordings,
        listing.dropped,
        (listing.remark,),
        recipe,
    )
    return carry_out(plan, out, height, width, name)
