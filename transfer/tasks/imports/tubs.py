"""Read a Donkeycar drive (a "tub"): which images, steered how, when.

A tub is a folder of camera images with the driver's steering. Version 2: ``manifest.json`` names
``catalog_*.catalog`` files of one JSON record a line, images in ``images/``. Version 1: one
``record_*.json`` an image, beside it. Its names are not trusted: none may lead out of the folder.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.recordings import (
    MAX_FILE_BYTES,
    MAX_RECORDS,
    Recording,
    is_number,
    plain_file,
    read_text,
)

_FRAMES_PER_SECOND = 20.0  # Donkeycar's default, for version 1 tubs without a clock
_MAX_RECORD_BYTES = 64 << 10


def tub_reader(src: Path) -> Callable[[Path], Recording] | None:
    """What reads the tub ``src``; None if it is no tub.

    The reader raises a `TransferError` if the tub is damaged or names a file outside itself.
    """
    if (src / "manifest.json").is_file():
        return _read_v2
    if next(src.glob("record_*.json"), None) is not None:
        return _read_v1
    return None


def _read_v2(src: Path) -> Recording:
    lines = read_text(src / "manifest.json").splitlines()
    catalogs = _object(lines[-1], src / "manifest.json") if lines else {}
    names, deleted = catalogs.get("paths"), catalogs.get("deleted_indexes", [])
    if not isinstance(names, list) or not isinstance(deleted, list):
        raise TransferError(
            f"Expected the paths of catalogs in the last line of {src}/manifest.json."
        )
    deleted_indices = {index for index in deleted if isinstance(index, int)}
    records = []
    for name in names:
        catalog = plain_file(src, name)
        for line in read_text(catalog).splitlines():
            records.append(_object(line, catalog))
            if len(records) > MAX_RECORDS:
                raise TransferError(f"Expected at most {MAX_RECORDS} records in {src}.")
    indices = [record.get("_index") for record in records]
    kept = [
        record
        for record, index in zip(records, indices, strict=True)
        if not (
            isinstance(index, int) and index in deleted_indices
        )  # a foreign one may be anything
    ]
    times = [record.get("_timestamp_ms") for record in kept]
    return _recording(
        src / "images",
        kept,
        times,
        "clock of the tub",
        {"deleted in the tub": len(records) - len(kept)},
    )


def _read_v1(src: Path) -> Recording:
    paths = {}
    for path in src.glob("record_*.json"):
        number = path.stem.removeprefix("record_")
        if number.isascii() and number.isdigit() and len(number) < 10:
            paths[int(number)] = plain_file(src, path.name)
    if not 0 < len(paths) <= MAX_RECORDS:
        raise TransferError(f"Expected 1..{MAX_RECORDS} files record_NUMBER.json in {src}.")
    numbers = sorted(paths)
    records = [_object(read_text(paths[n], _MAX_RECORD_BYTES), paths[n]) for n in numbers]
    times = [record.get("milliseconds") for record in records]
    clock = "clock of the tub"
    if not all(is_number(time) for time in times):
        clock = f"no clock in the tub: {_FRAMES_PER_SECOND:g} frames a second assumed"
        times = [number / _FRAMES_PER_SECOND * 1000 for number in numbers]
    return _recording(src, records, times, clock, {})


def _recording(
    folder: Path, records: list[dict], times: list[Any], clock: str, dropped: dict[str, int]
) -> Recording:
    """The records a driver steered, with an angle, a time and an image inside ``folder``."""
    images, angles, seconds, sessions = [], [], [], []
    malformed = pilot = 0
    for record, time in zip(records, times, strict=True):
        angle, image = record.get("user/angle"), record.get("cam/image_array")
        if not (is_number(angle) and is_number(time) and isinstance(image, str)):
            malformed += 1
        elif record.get("user/mode", "user") != "user":
            pilot += 1  # the car steered itself: the driver's angle means nothing
        else:
            images.append(plain_file(folder, image))
            angles.append(float(angle))
            seconds.append(float(time) / 1000)
            sessions.append(str(record.get("_session_id", "")))
    if not images:
        raise TransferError(f"Expected records with cam/image_array and user/angle in {folder}.")
    dropped = dropped | {"malformed record": malformed, "driven by a pilot": pilot}
    return Recording(images, np.array(angles), np.array(seconds), sessions, dropped, clock)


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line) if len(line) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError) as error:
        raise TransferError(f"Expected one JSON object a line in {path}. It is damaged.") from error
    if not isinstance(value, dict):
        raise TransferError(f"Expected one JSON object a line in {path}.")
    return value
