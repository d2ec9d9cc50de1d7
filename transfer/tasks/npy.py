"""Open a .npy file from anywhere without trusting it.

The header is parsed as a literal, never unpickled, and what it declares is compared with the file
before any memory is mapped: `numpy.load` alone reports a cut file or a pickle as a traceback.
"""

import os
from pathlib import Path
from typing import IO

import numpy as np

from transfer.archives import read_header
from transfer.errors import TransferError
from transfer.files import open_plain


def open_array(path: str | Path, expected: type, ndim: tuple[int, ...]) -> np.memmap:
    """Map an array of numbers, read-only; its values are not read.

    ``path``: a .npy file, format 1.0 or 2.0, C order. ``expected``: a scalar type, ``np.uint8`` or
    an abstract one such as ``np.integer``. ``ndim``: numbers of dimensions allowed.
    Raises `TransferError` if the file is missing, a link, not a .npy file, pickled, truncated or
    longer than declared, empty, in Fortran order, or of another dtype or number of dimensions.
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
    return np.memmap(stream, dtype=dtype, mode="r", offset=offset, shape=shape)
