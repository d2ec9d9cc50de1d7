"""Read a Donkeycar tub, version 1 or 2, without trusting it.

Version 2: ``manifest.json`` (one JSON value a line; the last names catalogs and deleted records),
``*.catalog`` (one record a line) and ``images/``. Version 1: ``record_N.json`` and images in one
folder. A record holds ``user/angle`` (-1 = full left, 1 = full right), ``user/mode``,
``cam/image_array`` (name of the image) and a time in milliseconds.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.recordings import (
    Recording,
    is_number,
    plain_name,
    read_lines,
    refuse_more,
)

_FRAMES_PER_SECOND = 20.0  # Donkeycar's default, for version 1 tubs without a clock
_MAX_MANIFEST_LINE = 8 << 20


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
    manifest = src / "manifest.json"
    last = ""
    for line in read_lines(manifest, _MAX_MANIFEST_LINE):
        last = line or last
    content = _object(last, manifest)
    names, deleted = content.get("paths"), content.get("deleted_indexes", [])
    if not isinstance(names, list) or not isinstance(deleted, list):
        raise TransferError(f"Expected the paths of catalogs in the last line of {manifest}.")
    catalogs = [plain_name(src, name) for name in names]
    if len(set(catalogs)) < len(catalogs):
        raise TransferError(f"Expected every catalog once in {manifest}.")
    if (src / "images").is_symlink():
        raise TransferError(f"Expected a folder at {src / 'images'}. Received: a link.")
    deleted_indices = {index for index in deleted if type(index) is int}
    dropped = {"deleted in the tub": 0}

    def records() -> Iterator[tuple[Any, dict[str, Any]]]:
        for name in catalogs:
            for line in read_lines(src / name):
                record = _object(line, src / name)
                index = record.get("_index")
                if type(index) is int and index in deleted_indices:
                    dropped["deleted in the tub"] += 1
                else:
                    yield record.get("_timestamp_ms"), record

    return _recording(src, "images/", records(), "clock of the tub", dropped)


def _read_v1(src: Path) -> Recording:
    numbers = []
    for path in src.glob("record_*.json"):
        number = path.stem.removeprefix("record_")
        if number.isascii() and number.isdigit() and len(number) < 10:
            numbers.append((int(number), path.name))
            refuse_more(len(numbers), src)
    numbers.sort()

    def records(clock: bool) -> Iterator[tuple[Any, dict[str, Any]]]:
        for number, name in numbers:
            record = _object("".join(read_lines(src / name)), src / name)
            time = record.get("milliseconds")
            yield time if clock else number / _FRAMES_PER_SECOND * 1000, record

    if all(is_number(time) for time, _ in records(clock=True)):
        return _recording(src, "", records(clock=True), "clock of the tub", {})
    assumed = f"no clock in the tub: {_FRAMES_PER_SECOND:g} frames a second assumed"
    return _recording(src, "", records(clock=False), assumed, {})


def _recording(
    src: Path,
    below: str,
    records: Iterable[tuple[Any, dict[str, Any]]],
    clock: str,
    dropped: dict[str, int],
) -> Recording:
    """The records that a driver steered, with an angle, a time and the name of an image."""
    images, angles, seconds, sessions = [], [], [], []
    numbers: dict[str, int] = {}  # of sessions
    malformed = pilot = 0
    folder = src / below
    for count, (time, record) in enumerate(records, 1):
        refuse_more(count, src)
        angle, image = record.get("user/angle"), record.get("cam/image_array")
        if not (is_number(angle) and is_number(time) and isinstance(image, str)):
            malformed += 1
        elif record.get("user/mode", "user") != "user":
            pilot += 1  # the car steered itself: the driver's angle means nothing
        else:
            images.append(below + plain_name(folder, image))
            angles.append(float(angle))
            seconds.append(float(time) / 1000)
            session = str(record.get("_session_id", ""))
            sessions.append(numbers.setdefault(session, len(numbers)))
    if not images:
        raise TransferError(f"Expected records with cam/image_array and user/angle in {src}.")
    dropped |= {"malformed record": malformed, "driven by a pilot": pilot}
    times, changes = np.array(seconds), np.array(sessions, np.int64)
    return Recording(images, np.array(angles), times, changes, dropped, clock)


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TransferError(f"Expected one JSON object a line in {path}. It is damaged.") from error
    if not isinstance(value, dict):
        raise TransferError(f"Expected one JSON object a line in {path}.")
    return value
