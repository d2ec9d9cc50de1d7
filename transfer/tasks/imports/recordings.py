"""What every recorded drive is read into, and how files from elsewhere are opened.

Nothing from elsewhere is trusted: no name in it may lead out of its folder, no link is followed,
and whatever the files hold, reading them takes less than `MOST_BYTES` of memory.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from transfer.errors import TransferError
from transfer.files import open_plain

MOST_BYTES = 1 << 30  #: of memory, for all that is read of one source or for one decoded image
MAX_RECORDS = 1_000_000  #: images of one import
_MAX_FILE_BYTES = 256 << 20
_MAX_LINE = 64 << 10
_MAX_NAME = 255


@dataclass(frozen=True, eq=False)
class Recording:
    """The usable records of a recorded drive, in the order they were driven."""

    images: list[str]  #: N paths below the folder of the recording; some may be missing or damaged
    angles: np.ndarray  #: float64 (N,), steering, -1 = full left, 1 = full right
    seconds: np.ndarray  #: float64 (N,), the time of each record, of any origin
    sessions: np.ndarray  #: int64 (N,); a change means that the recording was interrupted
    dropped: dict[str, int]  #: records left out, by reason
    clock: str  #: where ``seconds`` come from, in words


def plain_name(folder: Path, name: Any) -> str:
    """``name`` if it is that of a file right in ``folder``; else a `TransferError`."""
    plain = isinstance(name, str) and 0 < len(name) <= _MAX_NAME and not set(name) & set("/\\\0")
    if not plain or name in (".", ".."):
        raise TransferError(
            f"Expected the name of a plain file inside {folder}. Received: {str(name)[:80]!r}; "
            "nothing was imported."
        )
    return name


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether ``value`` is a finite int or float of a sensible size."""
    return type(value) in (int, float) and abs(value) < 1e15  # also false for nan


def read_lines(path: Path, longest: int = _MAX_LINE) -> Iterator[str]:
    """The lines of a UTF-8 text without their ends; none longer than ``longest`` characters."""
    total = 0
    try:
        with open_plain(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as text:
            while line := text.readline(longest + 1):
                total += len(line)
                if len(line) > longest or total > _MAX_FILE_BYTES:
                    raise TransferError(
                        f"Expected lines of at most {longest} characters, and {_MAX_FILE_BYTES} in "
                        f"all, in {path}. Received: more."
                    )
                yield line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise TransferError(f"Expected text in {path}. Received: {reason}.") from error


def refuse_more(count: int, src: Path) -> None:
    """Raise a `TransferError` if ``count`` records or images are more than an import takes."""
    if count > MAX_RECORDS:
        raise TransferError(f"Expected at most {MAX_RECORDS} images in {src}. Received: more.")
