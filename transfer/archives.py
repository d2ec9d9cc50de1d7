"""Arrays in .npy files and .npz archives: written whole, and read without trusting them.

Nothing is unpickled, and nothing is mapped or allocated before the sizes that the file, the archive
and the header declare agree and are within a bound. Test probabilities are kept as uint16 of
1/10,000, the first column holding the sum of the row, which takes next to no room.
"""

import contextlib
import functools
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast

import numpy as np

from transfer.errors import TransferError
from transfer.files import Version, open_atomically, open_plain, version_of
from transfer.tables import place

MAX_HEADER_BYTES = 10_000  #: numpy's own default limit for untrusted headers
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
_MAX_SIDE = 1 << 48  # of an array; a hostile one may have thousands of digits
_MAX_MEMBERS = 1 << 16
#: The header is a Python literal: its parser and numpy's dtype have many ways to refuse.
_DAMAGED_HEADER = (
    *(TypeError, SyntaxError, RecursionError, MemoryError, LookupError, AttributeError),
    *(ArithmeticError, tokenize.TokenError),
)
_UNITS = 10_000
_MAX_DIRECTORY_BYTES = 16 << 20
MAX_ARRAY_BYTES = 256 << 20  #: of predictions of one run
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype of a .npy stream, left at the first byte of data."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _LENGTH_BYTES:
            raise ValueError(f"format version {version}")
        start = stream.tell()
        length = int.from_bytes(stream.read(_LENGTH_BYTES[version]), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        stream.seek(start)
        read = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read = np.lib.format.read_array_header_1_0
        shape, fortran_order, dtype = read(stream)
    except _DAMAGED_HEADER as error:
        raise ValueError(f"a damaged header ({type(error).__name__})") from error
    if len(shape) > 8 or any(type(side) is not int or side > _MAX_SIDE for side in shape):
        raise ValueError("a header with an impossible shape")
    return shape, fortran_order, dtype


def open_array(path: str | Path, expected: type, ndim: tuple[int, ...]) -> np.memmap:
    """Map an array of numbers, read-only; its values are not read.

    ``expected``: a scalar type, ``np.uint8`` or an abstract one such as ``np.integer``. ``ndim``:
    numbers of dimensions allowed.
    """
    path = Path(path)
    try:
        with open_plain(path) as stream:
            return _map(stream, path, expected, ndim)
    except OSError as error:
        reason = error.strerror or error
        raise TransferError(f"Expected a .npy file at {path}. Received: {reason}.") from error
    except ValueError as error:
        reason = (str(error).splitlines() or ["a damaged header"])[0][:200]
        raise TransferError(f"Expected a .npy file at {path}. Received: {reason}") from error


def _map(stream: IO[bytes], path: Path, expected: type, ndim: tuple[int, ...]) -> np.memmap:
    shape, fortran_order, dtype = read_header(stream)
    offset = stream.tell()
    size = os.fstat(stream.fileno()).st_size - offset
    if dtype.hasobject:
        raise TransferError(
            f"Expected numbers in {path}. Received: pickled Python objects, which are never loaded."
        )
    if not np.issubdtype(dtype, expected):
        raise TransferError(f"Expected {expected.__name__} in {path}. Received: {dtype}.")
    if len(shape) not in ndim:
        wanted = " or ".join(map(str, ndim))
        raise TransferError(f"Expected {wanted} dimension(s) in {path}. Received: shape {shape}.")
    expected_size = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 1:
        raise TransferError(f"Expected at least one element in {path}. Received: shape {shape}.")
    if size != expected_size:
        state = "truncated" if size < expected_size else "longer than that"
        raise TransferError(
            f"Expected {expected_size} bytes of data in {path}, as its header declares. "
            f"Received: {size}; the file is {state}, fetch or save it again."
        )
    if fortran_order and len(shape) > 1:
        raise TransferError(
            f"Expected C order in {path}. Received: Fortran order; save it again with "
            "numpy.ascontiguousarray."
        )
    return np.memmap(stream, dtype=dtype, mode="r", offset=offset, shape=shape)


def open_npz(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an .npz archive; `read_array` reads from it. Faults are a `ValueError`."""
    with _in_a_few_words():
        archive = zipfile.ZipFile(cast(IO[bytes], _Directory(file)))
        if len(archive.filelist) > _MAX_MEMBERS:
            raise ValueError(f"{len(archive.filelist)} members")
        archive.fp = file
        return archive


class _Directory:
    """A file whose directory is read at once: a forged one may be as long as the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """As a file does, but at most 16 MiB."""
        if size > _MAX_DIRECTORY_BYTES:
            raise ValueError(f"a directory of more than {_MAX_DIRECTORY_BYTES} bytes")
        return self.file.read(size)


def names_of(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays of an archive, in its order."""
    return [name.removesuffix(".npy") for name in archive.namelist()]


def read_array(archive: zipfile.ZipFile, name: str, most_bytes: int) -> np.ndarray:
    """One array of an archive, of at most ``most_bytes`` bytes; faults are a `ValueError`."""
    with _in_a_few_words():
        try:
            member = archive.getinfo(f"{name}.npy")
        except KeyError:
            raise ValueError(f"no array {name}") from None
        if member.compress_type not in _COMPRESSIONS:
            raise ValueError("a compression that numpy does not write")
        if member.file_size > most_bytes:
            raise ValueError(f"an array of more than {most_bytes} bytes")
        with archive.open(member) as stream:
            return _read(stream, member.file_size)


def read_npz(file: IO[bytes], most_bytes: int) -> dict[str, np.ndarray]:
    """All arrays of an archive by name, of at most ``most_bytes`` bytes together."""
    archive = open_npz(file)
    if sum(member.file_size for member in archive.filelist) > most_bytes:
        raise ValueError(f"arrays of more than {most_bytes} bytes")
    return {name: read_array(archive, name, most_bytes) for name in names_of(archive)}


def write_npz(path: Path, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a compressed .npz archive atomically; equal arrays, equal bytes."""
    with open_atomically(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as out:
        for name, array in arrays:
            with out.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextlib.contextmanager
def _in_a_few_words() -> Iterator[None]:
    """Whatever a damaged archive raises becomes a `ValueError`."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ValueError("a damaged archive") from error
    except (RuntimeError, LookupError, ArithmeticError, TypeError) as error:  # encrypted, ...
        raise ValueError(f"a damaged archive ({type(error).__name__})") from error


def _read(stream: IO[bytes], size: int) -> np.ndarray:
    """One array of a .npy stream of ``size`` bytes."""
    shape, fortran_order, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("pickled Python objects, which are never loaded")
    expected = math.prod(shape) * dtype.itemsize
    if any(side < 0 for side in shape) or stream.tell() + expected != size:
        raise ValueError(f"an array whose header declares {expected} bytes")
    content = stream.read(expected + 1)
    if len(content) != expected:
        raise ValueError("a truncated array")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape, order="F" if fortran_order else "C")


def pack(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes), 0..1, in the form that they are kept in; four decimals stay."""
    units = np.rint(probabilities.astype(np.float64) * _UNITS)
    units[:, 0] = units.sum(1)
    return np.asfortranarray(units, np.dtype("<u2"))


def read_probabilities(path: Path, name: str) -> np.ndarray:
    """Probabilities in an archive, float32 (N, classes), as `pack` was given them."""
    kept = read_member(path, name)
    if kept.ndim != 2 or kept.dtype != np.dtype("<u2") or not kept.shape[1]:
        raise TransferError(f"Expected uint16 (N, classes) as {name} in {path}: {kept.dtype}.")
    first = kept[:, 0].astype(np.int64) - kept[:, 1:].sum(1, dtype=np.int64)
    if first.min(initial=0) < 0 or max(first.max(initial=0), kept[:, 1:].max(initial=0)) > _UNITS:
        raise TransferError(f"Expected probabilities in 0..1 as {name} in {path}.")
    probabilities = kept.astype(np.float32)
    probabilities[:, 0] = first
    probabilities /= _UNITS
    return probabilities


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of an archive, as it is kept."""
    version = version_of(path)
    try:
        if version is None:
            raise ValueError("there is no such file")
        return read_array(_opened(path, version), name, MAX_ARRAY_BYTES)
    except (OSError, ValueError) as error:
        raise TransferError(f"Cannot read {name} in {path}: {error}.") from error


def members(path: Path) -> list[str]:
    """Names of the arrays in an archive; none if there is no such file."""
    version = version_of(path)
    try:
        return [] if version is None else names_of(_opened(path, version))
    except (OSError, ValueError) as error:
        raise TransferError(f"Cannot read {path}: {error}.") from error


@functools.lru_cache(maxsize=4)
def _opened(path: Path, version: Version) -> zipfile.ZipFile:
    """Opened once, however many arrays are read: an archive of thousands takes a while."""
    return open_npz(open_plain(path))


def merge_arrays(
    path: Path, arrays: Mapping[str, Callable[[], np.ndarray]], keep: Collection[str] | None = None
) -> None:
    """Put arrays into an archive; whoever calls it holds the lock that guards the archive.

    ``arrays``: functions, so that one is in memory at a time. ``keep``: names; others go.
    """
    kept = [name for name in members(path) if keep is None or name in keep]
    read = {name: functools.partial(read_member, path, name) for name in kept} | dict(arrays)

    def one_by_one() -> Iterator[tuple[str, np.ndarray]]:
        for name in sorted(read, key=place):
            yield name, read[name]()
        _opened.cache_clear()  # Windows replaces no file that is open

    write_npz(path, one_by_one())
