"""Write a file, or a folder, whole or not at all.

A reader never meets half a file: content goes to a temporary name in the same folder, is flushed
and synced, and is then renamed over the target.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from transfer.errors import TransferError


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that the file is either the old one or the new one.

    Raises
    ------
    TransferError
        If the file cannot be written (disk full, folder read-only, ...).
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with open_atomically(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary stream that becomes ``path`` when the block ends without an error.

    Raises
    ------
    TransferError
        If the operating system refuses to write; the old file, if any, is untouched.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
        ) as stream:
            temporary = Path(stream.name)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or error
        raise TransferError(f"Cannot write {path}: {reason}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: the folder's own entry table is synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusively(path: str | Path) -> Iterator[None]:
    """Wait until no other process holds the lock file ``path``, and hold it during the block.

    The operating system frees the lock of a process that dies.

    Raises
    ------
    TransferError
        If the lock file cannot be made.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    except OSError as error:
        raise TransferError(f"Cannot write {path}: {error.strerror or error}.") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def remove_temporaries(folder: Path, name: str) -> None:
    """Remove what killed processes left of files in ``folder`` that begin with ``name`` and a dot.

    Whoever calls it holds the lock of these files.
    """
    for left in folder.glob(f".{name}.*.tmp"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The content of a plain file of at most ``limit`` bytes.

    Raises
    ------
    OSError
        If it cannot be read.
    TransferError
        If it is larger, or a device or a pipe, which might never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TransferError(f"Expected a plain file at {path}.")
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TransferError(f"Expected at most {limit} bytes in {path}. Received: more.")
    return content


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def new_folder(out: str | Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends without an error.

    Raises
    ------
    TransferError
        If ``out`` exists and is not an empty folder, or cannot be written.
    """
    out = Path(out)
    refuse_occupied(out)
    temporary = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp"))
        yield temporary
        temporary.chmod(0o755)
        if out.is_dir():
            out.rmdir()  # only an empty folder goes; another process's work stays
        temporary.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise TransferError(f"Cannot write the folder {out}: {reason}.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def refuse_occupied(out: str | Path) -> None:
    """Raise a `TransferError` unless ``out`` is free: not there, or an empty folder."""
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise TransferError(
            f"Expected {out} not to exist or to be an empty folder. It holds something; "
            "choose another folder or remove it."
        )
