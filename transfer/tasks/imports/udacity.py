"""Read a recording of Udacity's driving simulator: ``driving_log.csv`` beside a folder ``IMG``.

A line holds center, left, right (paths of three images), steering, throttle, brake, speed; the
first line may name these columns. Paths are those of the machine that recorded: only their last
part counts, and lies in ``IMG``. Of the three cameras the central one is used. Steering is -1 =
full left to 1 = full right, as in a Donkeycar tub.

The time of a frame is in the name of its image, ``center_2016_12_01_13_30_48_287.jpg``.
"""

import csv
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.recordings import (
    MAX_RECORDS,
    Recording,
    is_number,
    plain_file,
    read_text,
)

COLUMNS = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_FRAMES_PER_SECOND = 15.0  # the simulator samples every 0.0667 s
_TIME = re.compile(r"_(\d{4})_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d{3})\.", re.ASCII)


def is_udacity(src: Path) -> bool:
    """Whether ``src`` looks like a recording of the simulator."""
    return (src / "driving_log.csv").is_file()


def read_udacity(src: Path) -> Recording:
    """Read the recording in the folder ``src``.

    Raises
    ------
    TransferError
        If the log is damaged, names no image in ``IMG``, or names a file outside it.
    """
    log = src / "driving_log.csv"
    center, steering, rows = _rows(log)
    images, angles, numbers = [], [], []
    malformed = missing = 0
    for number, row in enumerate(rows):
        angle = _number(row[steering]) if len(row) > max(center, steering) else None
        if angle is None or not row[center].strip():
            malformed += 1
            continue
        image = plain_file(src / "IMG", re.split(r"[/\\]", row[center].strip())[-1])
        if not image.is_file():
            missing += 1
            continue
        images.append(image)
        angles.append(angle)
        numbers.append(number)
    if not images:
        raise TransferError(
            f"Expected lines of {log} with steering and an image in {src / 'IMG'}. Received: "
            f"{missing} lines whose image is missing, {malformed} malformed ones."
        )
    times = [_seconds(image.name) for image in images]
    seconds = np.array([time for time in times if time is not None])
    clock = "clock in the names of the images"
    if len(seconds) < len(images):
        clock = f"no clock in the names: {_FRAMES_PER_SECOND:g} frames a second assumed"
        seconds = np.array(numbers) / _FRAMES_PER_SECOND
    dropped = {"malformed line": malformed, "image missing": missing}
    return Recording(images, np.array(angles), seconds, [""] * len(images), dropped, clock)


def _rows(log: Path) -> tuple[int, int, list[list[str]]]:
    """Where center and steering stand, and the lines below the header, if there is one."""
    try:
        rows = list(csv.reader(read_text(log).removeprefix("\ufeff").splitlines()))
    except csv.Error as error:
        raise TransferError(f"Expected comma-separated lines in {log}: {error}.") from error
    rows = [row for row in rows if row]
    if len(rows) > MAX_RECORDS:
        raise TransferError(f"Expected at most {MAX_RECORDS} lines in {log}.")
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "center" in columns and "steering" in columns:
        del rows[0]
    else:
        columns = list(COLUMNS)
    long = next((row for row in rows if len(row) > len(columns)), None)
    if long is not None:  # read on, 0,05 would be taken for a steering of 0
        raise TransferError(
            f"Expected {len(columns)} columns in {log}. Received: {len(long)}; write numbers with "
            "a decimal point and paths without commas."
        )
    return columns.index("center"), columns.index("steering"), rows


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if is_number(value) else None


def _seconds(name: str) -> float | None:
    """The time in the name of an image, in seconds; None if there is none."""
    match = _TIME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second, milliseconds = map(int, match.groups())
    try:
        time = datetime(year, month, day, hour, minute, second, milliseconds * 1000, UTC)
    except ValueError:  # a month 13, an hour 25
        return None
    return time.timestamp()
