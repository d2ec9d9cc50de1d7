"""Open a .npy file from anywhere without trusting it.

The header is parsed as a literal, never unpickled, and what it declares is compared with the file
before any memory is mapped: `numpy.load` alone reports a cut file or a pickle as a traceback.
"""

import os
import tokenize
from pathlib import Path
from typing import IO

import numpy as np

from transfer.errors import TransferError

_MAX_HEADER_BYTES = 10_000  # numpy's own default limit for untrusted headers
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}


def open_array(path: str | Path, expected: type, ndim: tuple[int, ...]) -> np.memmap:
    """Map an array of numbers from ``path``, read-only.

    Parameters
    ----------
    path : path of a .npy file, format 1.0 or 2.0, C order
    expected : type
        Scalar type, concrete or abstract: ``np.uint8``, ``np.integer``.
    ndim : tuple of int
        Numbers of dimensions allowed.

    Returns
    -------
    numpy.memmap
        Mapped, not read; shape and dtype as declared, at least one element.

    Raises
    ------
    TransferError
        If the file is missing, not a .npy file, pickled, truncated or longer than declared, empty,
        in Fortran order, or of another dtype or number of dimensions.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            shape, fortran_order, dtype = _read_header(stream, path)
            offset = stream.tell()
            size = os.fstat(stream.fileno()).st_size - offset
    except OSError as error:
        reason = error.strerror or error
        raise TransferError(f"Expected a .npy file at {path}. Received: {reason}.") from error
    if dtype.hasobject:
        raise TransferError(
            f"Expected numbers in {path}. Received: pickled Python objects, which are never loaded."
        )
    if not np.issubdtype(dtype, expected):
        raise TransferError(f"Expected {expected.__name__} in {path}. Received: {dtype}.")
    if len(shape) not in ndim:
        wanted = " or ".join(map(str, ndim))
        raise TransferError(f"Expected {wanted} dimension(s) in {path}. Received: shape {shape}.")
    count = 1
    for length in shape:  # Python integers: a hostile shape must not wrap around
        count *= length
    if any(type(length) is not int or length < 1 for length in shape):
        raise TransferError(f"Expected at least one element in {path}. Received: shape {shape}.")
    if size != count * dtype.itemsize:
        state = "truncated" if size < count * dtype.itemsize else "longer than that"
        raise TransferError(
            f"Expected {count * dtype.itemsize} bytes of data in {path}, as its header declares. "
            f"Received: {size}; the file is {state}, fetch or save it again."
        )
    if fortran_order and len(shape) > 1:
        raise TransferError(
            f"Expected C order in {path}. Received: Fortran order; save it again with "
            "numpy.ascontiguousarray."
        )
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def _read_header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype; the stream is left at the first byte of data."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _LENGTH_BYTES:
            raise ValueError(f"format version {version}")
        start = stream.tell()
        length = int.from_bytes(stream.read(_LENGTH_BYTES[version]), "little")
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        stream.seek(start)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except (
        ValueError,
        TypeError,
        SyntaxError,
        RecursionError,
        MemoryError,
        tokenize.TokenError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TransferError(f"Expected a .npy file at {path}. Received: {reason}") from error
