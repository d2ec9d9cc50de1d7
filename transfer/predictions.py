"""Test probabilities in an .npz archive, small and without loss: whole numbers of 1/10,000.

An array is uint16 (N, classes). Its first column holds the sum of the row in place of the first
class: the sum is 10,000 but for rounding, and so takes next to no room. Without this package::

    units = np.load("predictions.npz")["A3B_s0"].astype(int)
    units[:, 0] -= units[:, 1:].sum(axis=1)
    probabilities = units / 10_000
"""

import functools
import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from transfer.archives import names_of, open_npz, read_array, write_npz
from transfer.errors import TransferError
from transfer.files import Version, read_bytes, version_of
from transfer.tables import place

_UNITS = 10_000
_MAX_ARCHIVE_BYTES = 256 << 20
_MAX_ARRAY_BYTES = 256 << 20


def pack(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes), 0..1, in the form that they are kept in; four decimals stay."""
    units = np.rint(probabilities.astype(np.float64) * _UNITS)
    units[:, 0] = units.sum(1)
    return np.asfortranarray(units, np.dtype("<u2"))


def read_probabilities(path: Path, name: str) -> np.ndarray:
    """Probabilities in an archive, float32 (N, classes), as `pack` was given them.

    Raises `TransferError` if they are missing or damaged.
    """
    kept = read_member(path, name)
    if kept.ndim != 2 or kept.dtype != np.dtype("<u2") or not kept.shape[1]:
        raise TransferError(f"Expected uint16 (N, classes) as {name} in {path}: {kept.dtype}.")
    units = kept.astype(np.int64)
    units[:, 0] -= units[:, 1:].sum(1)
    if units.min(initial=0) < 0 or units.max(initial=0) > _UNITS:
        raise TransferError(f"Expected probabilities in 0..1 as {name} in {path}.")
    return (units / _UNITS).astype(np.float32)


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of an archive, as it is kept.

    Raises `TransferError` if it is missing or damaged.
    """
    version = version_of(path)
    try:
        if version is None:
            raise ValueError("there is no such file")
        return read_array(_opened(path, version), name, _MAX_ARRAY_BYTES)
    except (OSError, ValueError) as error:
        raise TransferError(f"Cannot read {name} in {path}: {error}.") from error


def members(path: Path) -> list[str]:
    """Names of the arrays in an archive; none if there is no such file.

    Raises `TransferError` if it cannot be read.
    """
    version = version_of(path)
    try:
        return [] if version is None else names_of(_opened(path, version))
    except (OSError, ValueError) as error:
        raise TransferError(f"Cannot read {path}: {error}.") from error


@functools.lru_cache(maxsize=4)
def _opened(path: Path, version: Version) -> zipfile.ZipFile:
    """Opened once, however many arrays are read: an archive of thousands takes a while."""
    return open_npz(io.BytesIO(read_bytes(path, _MAX_ARCHIVE_BYTES)))


def merge(
    path: Path, arrays: Mapping[str, Callable[[], np.ndarray]], keep: Collection[str] | None = None
) -> None:
    """Put arrays into an archive; whoever calls it holds the lock that guards the archive.

    ``path``: made if it is missing. ``arrays``: functions that give the arrays; one array is in
    memory at a time. ``keep``: other arrays of the archive are dropped; None: all stay.
    Raises `TransferError` if an array cannot be read, or the archive written; it is then what it
    was.
    """
    kept = [name for name in members(path) if keep is None or name in keep]
    read = {name: functools.partial(read_member, path, name) for name in kept} | dict(arrays)
    write_npz(path, ((name, read[name]()) for name in sorted(read, key=place)))
