"""The whole state of a run in one file, so that a run killed at any instant goes on exactly.

The file is a SHA-256 of the rest, then an .npz archive. The newest is written beside the previous
one: if a crash of the machine damages it, the previous one is used.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from transfer.files import write_atomically

_DIGEST = 32


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], facts: Any) -> None:
    """Write arrays and ``facts`` (anything JSON can hold) as the newest checkpoint.

    Raises
    ------
    TransferError
        If the file cannot be written; the older checkpoint stays.
    """
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
            content = candidate.read_bytes()
        except FileNotFoundError:
            continue
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            continue
        try:
            with np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (ValueError, OSError, zipfile.BadZipFile):
            continue
        return arrays, json.loads(arrays.pop("facts").tobytes())
    return None


def remove_checkpoint(path: Path) -> None:
    """Remove what `write_checkpoint` wrote; the run is complete."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)
