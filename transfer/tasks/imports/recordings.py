"""A recording: what every drive from another machine is read into, and how its files are opened.

A recording is not trusted: no name in it may lead out of its folder, and every file in it has a
largest size.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from transfer.errors import TransferError
from transfer.files import read_bytes

MAX_RECORDS = 2_000_000
MAX_FILE_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Recording:
    """The usable records of a recorded drive, in the order they were driven.

    Attributes
    ----------
    images : list of Path, length N
        Plain files inside the recording; some may be missing or damaged.
    angles : float64 (N,)
        Steering, -1 = full left, 1 = full right.
    seconds : float64 (N,)
        Time of each record, of any origin.
    sessions : list of str, length N
        A change means that the recording was interrupted.
    dropped : dict
        Records left out, by reason.
    clock : str
        Where ``seconds`` come from, in words.
    """

    images: list[Path]
    angles: np.ndarray
    seconds: np.ndarray
    sessions: list[str]
    dropped: dict[str, int]
    clock: str


def plain_file(folder: Path, name: Any) -> Path:
    """``folder / name``, if that is a plain name in it and no link; it may be missing.

    Raises
    ------
    TransferError
        If the name leads anywhere else: the recording is hostile or damaged, and is not read.
    """
    plain = isinstance(name, str) and 0 < len(name) < 256 and not set(name) & set("/\\\0")
    if not plain or name in (".", "..") or (folder / name).is_symlink() or folder.is_symlink():
        raise TransferError(
            f"Expected the name of a plain file inside {folder}. Received: {str(name)[:80]!r}; "
            "nothing was imported."
        )
    return folder / name


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether ``value`` is a finite int or float of a sensible size."""
    return type(value) in (int, float) and abs(value) < 1e15  # also false for nan


def read_text(path: Path, limit: int = MAX_FILE_BYTES) -> str:
    """The UTF-8 text of a file of at most ``limit`` bytes.

    Raises
    ------
    TransferError
        If the file is missing, larger, or not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise TransferError(f"Expected text in {path}. Received: {reason}.") from error
