"""Read a recording of Udacity's driving simulator: ``driving_log.csv`` beside a folder ``IMG``.

A line holds center, left, right (paths of three images), steering, throttle, brake, speed; the
first line may name these columns. Paths are those of the machine that recorded: only their last
part counts, and lies in ``IMG``. Of the three cameras the central one is used. Steering is -1 =
full left to 1 = full right, as in a Donkeycar tub.

The time of a frame is in the name of its image, ``center_2016_12_01_13_30_48_287.jpg``.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.listing import csv_rows
from transfer.tasks.imports.recordings import Recording, is_number, plain_name, refuse_more

COLUMNS = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_FRAMES_PER_SECOND = 15.0  # the simulator samples every 0.0667 s
_TIME = re.compile(r"_(\d{4})_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d{3})\.", re.ASCII)


def is_udacity(src: Path) -> bool:
    """Whether ``src`` looks like a recording of the simulator."""
    return (src / "driving_log.csv").is_file()


def read_udacity(src: Path) -> Recording:
    """Read the recording in the folder ``src``.

    Raises `TransferError` if the log is damaged or names a file outside ``IMG``.
    """
    log = src / "driving_log.csv"
    if (src / "IMG").is_symlink():
        raise TransferError(f"Expected a folder at {src / 'IMG'}. Received: a link.")
    columns = list(COLUMNS)
    images, angles, times, malformed = [], [], [], 0
    for number, (_, row) in enumerate(csv_rows(log)):
        refuse_more(number, log)
        if number == 0:
            header = [cell.strip().lower() for cell in row]
            if "center" in header and "steering" in header:
                columns = header
                continue
        if len(row) > len(columns):  # read on, 0,05 would be taken for a steering of 0
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
        times.append((_seconds(name), number / _FRAMES_PER_SECOND))
    if not images:
        raise TransferError(
            f"Expected lines of {log} with steering and an image. Received: {malformed} others."
        )
    clock, seconds = "clock in the names of the images", [time for time, _ in times]
    if None in seconds:
        clock = f"no clock in the names: {_FRAMES_PER_SECOND:g} frames a second assumed"
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
