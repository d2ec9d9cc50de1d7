"""Read recorded drives without trusting them: one recording, or a folder of several.

A Donkeycar tub of version 2 is ``manifest.json`` (its last line names catalogs and deleted
records), ``*.catalog`` (a record a line) and ``images/``; of version 1, ``record_N.json`` and
images. Udacity's simulator writes ``driving_log.csv`` and ``IMG``; its central camera is used.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.listing import csv_rows, in_order
from transfer.tasks.imports.recordings import (
    Recording,
    is_number,
    plain_name,
    read_lines,
    refuse_more,
)

COLUMNS = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_TUB_RATE, _UDACITY_RATE = 20.0, 15.0  # frames a second, where a recording has no clock
_MAX_MANIFEST_LINE = 8 << 20
_TIME = re.compile(r"_(\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d_\d{3})\.", re.ASCII)

Reader = Callable[[Path], Recording]  #: raises a `TransferError` if the recording is damaged
LeftOut = list[tuple[str, str]]  #: names of folders, and why they are left out
Records = Iterator[tuple[Any, dict[str, Any]]]  #: milliseconds, and what a record holds


def find_recordings(src: Path) -> tuple[dict[str, Reader], LeftOut]:
    """What reads the recording in ``src``, or those in its folders, by the name of the folder."""
    own = _reader(src)
    if own:
        return {"": own}, []
    readers: dict[str, Reader] = {}
    left_out = []
    for name in sorted((entry.name for entry in src.iterdir()), key=in_order):
        folder = src / name
        if name.startswith(".") or not folder.is_dir():
            continue
        if folder.is_symlink():
            left_out.append((name, "a link, which is not followed"))
        elif reader := _reader(folder):
            readers[name] = reader
    return readers, left_out


def _reader(folder: Path) -> Reader | None:
    return tub_reader(folder) or (read_udacity if is_udacity(folder) else None)


def read_as_one(src: Path, readers: dict[str, Reader]) -> tuple[Recording, np.ndarray, LeftOut]:
    """Read recordings and join them, one after the other, those that are damaged left out.

    Returns the drive, its images as paths below ``src``; for each record the number of its
    recording, int64 (N,); and what is left out. Raises `TransferError` if all are damaged.
    """
    parts: list[Recording] = []
    left_out: LeftOut = []
    dropped: Counter[str] = Counter()
    sessions = 0
    for name, read in readers.items():
        try:
            one = read(src / name)
        except TransferError as error:
            if len(readers) == 1:
                raise
            left_out.append((name, f"a recording that cannot be read: {error}"))
            continue
        dropped.update(one.dropped)
        images = [f"{name}/{image}" for image in one.images] if name else one.images
        parts.append(replace(one, images=images, sessions=one.sessions + sessions))
        sessions += int(one.sessions.max()) + 1
        refuse_more(sum(len(part.images) for part in parts), src)
    if not parts:
        raise TransferError(f"Expected a recording that can be read in {src}. {left_out[0][1]}")
    angles, seconds, in_sessions = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("angles", "seconds", "sessions")
    )
    images = [image for part in parts for image in part.images]
    clock = "; ".join(dict.fromkeys(part.clock for part in parts))
    numbers = np.repeat(np.arange(len(parts)), [len(part.images) for part in parts])
    return Recording(images, angles, seconds, in_sessions, dict(dropped), clock), numbers, left_out


def tub_reader(src: Path) -> Reader | None:
    """What reads the tub ``src``; None if it is no tub."""
    if (src / "manifest.json").is_file():
        return _read_v2
    return _read_v1 if next(src.glob("record_*.json"), None) is not None else None


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
    _refuse_link(src / "images")
    deleted_indices = {index for index in deleted if type(index) is int}
    dropped = {"deleted in the tub": 0}

    def records() -> Records:
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

    def records(clock: bool) -> Records:
        for number, name in numbers:
            record = _object("".join(read_lines(src / name)), src / name)
            yield record.get("milliseconds") if clock else number / _TUB_RATE * 1000, record

    if all(is_number(time) for time, _ in records(clock=True)):
        return _recording(src, "", records(clock=True), "clock of the tub", {})
    assumed = f"no clock in the tub: {_TUB_RATE:g} frames a second assumed"
    return _recording(src, "", records(clock=False), assumed, {})


def _recording(
    src: Path, below: str, records: Records, clock: str, dropped: dict[str, int]
) -> Recording:
    """The records of a tub that a driver steered, with an angle, a time and an image's name."""
    images, angles, seconds, sessions = [], [], [], []
    numbers: dict[str, int] = {}  # of sessions
    malformed = pilot = 0
    for count, (time, record) in enumerate(records, 1):
        refuse_more(count, src)
        angle, image = record.get("user/angle"), record.get("cam/image_array")
        if not (is_number(angle) and is_number(time) and isinstance(image, str)):
            malformed += 1
        elif record.get("user/mode", "user") != "user":
            pilot += 1  # the car steered itself: the driver's angle means nothing
        else:
            images.append(below + plain_name(src / below, image))
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


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise TransferError(f"Expected a folder at {folder}. Received: a link.")


def is_udacity(src: Path) -> bool:
    """Whether ``src`` looks like a recording of Udacity's simulator."""
    return (src / "driving_log.csv").is_file()


def read_udacity(src: Path) -> Recording:
    """Read the recording of the simulator in the folder ``src``."""
    log = src / "driving_log.csv"
    _refuse_link(src / "IMG")
    columns = list(COLUMNS)
    images, angles, times, malformed = [], [], [], 0
    for number, (_, row) in enumerate(csv_rows(log)):
        refuse_more(number, log)
        if number == 0:
            header = [cell.strip().lower() for cell in row]
            if "center" in header and "steering" in header:
                columns = header
                continue
        if len(row) > len(columns):  # otherwise 0,05 would be read as a steering of 0
            raise TransferError(
                f"Expected {len(columns)} columns in {log}. Received: {len(row)}; write numbers "
                "with a decimal point and paths without commas."
            )
        center, steering = columns.index("center"), columns.index("steering")
        angle = _number(row[steering]) if len(row) > max(center, steering) else None
        if angle is None or not row[center].strip():
            malformed += 1
            continue
        name = plain_name(src / "IMG", re.split(r"[/\\]", row[center].strip())[-1])
        images.append(f"IMG/{name}")
        angles.append(angle)
        times.append((_seconds(name), number / _UDACITY_RATE))
    if not images:
        raise TransferError(
            f"Expected lines of {log} with steering and an image. Received: {malformed} others."
        )
    clock, seconds = "clock in the names of the images", [time for time, _ in times]
    if None in seconds:
        clock = f"no clock in the names: {_UDACITY_RATE:g} frames a second assumed"
        seconds = [time for _, time in times]
    sessions = np.zeros(len(images), np.int64)
    dropped = {"malformed line": malformed}
    return Recording(images, np.array(angles), np.array(seconds, float), sessions, dropped, clock)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if is_number(value) else None


def _seconds(name: str) -> float | None:
    """The time in the name of an image, in seconds; None if there is none, or an hour 25."""
    match = _TIME.search(name)
    if match is None:
        return None
    try:
        time = datetime.strptime(f"{match[1]}000", "%Y_%m_%d_%H_%M_%S_%f")
    except ValueError:
        return None
    return time.replace(tzinfo=UTC).timestamp()
