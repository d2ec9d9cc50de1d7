"""The whole state of a run in one file, so that a run killed at any instant goes on exactly.

The file is a SHA-256 of the rest, then an .npz archive. If the newest is damaged, the previous one
beside it is used.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from transfer.archives import read_npz
from transfer.errors import TransferError
from transfer.files import open_plain, write_atomically

_DIGEST = 32
_MAX_BYTES = 512 << 20  # ConvNeXt Tiny with momentum and best weights: 340 MB


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], facts: Any) -> None:
    """Write arrays and ``facts`` (anything JSON can hold) as the newest checkpoint."""
    buffer = io.BytesIO()
    note = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(buffer, **{"facts": note, **arrays})  # type: ignore[arg-type]
    content = buffer.getvalue()
    if path.exists():
        path.replace(_previous(path))
    write_atomically(path, hashlib.sha256(content).digest() + content)


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], Any] | None:
    """The newest checkpoint that is whole, or None if there is none."""
    for candidate in (path, _previous(path)):
        try:
            stream = open_plain(candidate)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TransferError(f"Cannot read {candidate}: {error.strerror}.") from error
        with stream:
            if os.fstat(stream.fileno()).st_size > _MAX_BYTES:
                raise TransferError(f"Expected at most {_MAX_BYTES} bytes in {candidate}.")
            expected = stream.read(_DIGEST)
            if hashlib.file_digest(stream, "sha256").digest() != expected:
                continue
            with contextlib.suppress(ValueError, KeyError, RecursionError):
                arrays = read_npz(stream, _MAX_BYTES)
                return arrays, json.loads(arrays.pop("facts").tobytes())
    return None


def remove_checkpoint(path: Path) -> None:
    """Remove what `write_checkpoint` wrote; the run is complete."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)
