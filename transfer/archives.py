"""Arrays in .npz archives, read without trusting them: what is declared is checked first.

Nothing is unpickled, and nothing is allocated before the sizes that the archive and each array's
header declare agree with each other and are within a bound.
"""

import math
import tokenize
import zipfile
import zlib
from typing import IO

import numpy as np

MAX_HEADER_BYTES = 10_000  #: numpy's own default limit for untrusted headers
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
_MAX_SIDE = 1 << 48  # of an array; a hostile one may have thousands of digits
_MAX_MEMBERS = 4096
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype of a .npy stream, left at the first byte of data.

    Raises
    ------
    ValueError
        Whatever is wrong with the header, in a few words.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _LENGTH_BYTES:
            raise ValueError(f"format version {version}")
        start = stream.tell()
        length = int.from_bytes(stream.read(_LENGTH_BYTES[version]), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        stream.seek(start)
        if version == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
    # The header is a Python literal: its parser and numpy's dtype have many ways to refuse.
    except (
        TypeError,
        SyntaxError,
        RecursionError,
        MemoryError,
        LookupError,
        AttributeError,
        ArithmeticError,
        tokenize.TokenError,
    ) as error:
        raise ValueError(f"a damaged header ({type(error).__name__})") from error
    if len(shape) > 8 or any(type(side) is not int or side > _MAX_SIDE for side in shape):
        raise ValueError("a header with an impossible shape")
    return shape, fortran_order, dtype


def read_npz(file: IO[bytes], most_bytes: int, only: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz archive by name.

    Parameters
    ----------
    file : binary stream that can seek
    most_bytes : int
        Bound on all arrays together.
    only : str, optional
        Read this array and leave the others.

    Raises
    ------
    ValueError
        Whatever is wrong with the archive, in a few words.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise ValueError(f"{len(members)} members")
            if only is not None:
                members = [member for member in members if member.filename == f"{only}.npy"][:1]
                if not members:
                    raise ValueError(f"no array {only}")
            if any(member.compress_type not in _COMPRESSIONS for member in members):
                raise ValueError("a compression that numpy does not write")
            if sum(member.file_size for member in members) > most_bytes:
                raise ValueError(f"arrays of more than {most_bytes} bytes")
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _read(stream, member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ValueError("a damaged archive") from error
    except (RuntimeError, LookupError, ArithmeticError, TypeError) as error:  # encrypted, ...
        raise ValueError(f"a damaged archive ({type(error).__name__})") from error
    return arrays


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
