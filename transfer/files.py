"""Write a file, or a folder, whole or not at all: under a temporary name, then renamed."""

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from filelock import lock_descriptor

from transfer.errors import TransferError

# Of these, Windows has none: there no link and no pipe stands where a program expects a file.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

_MAX_JSON_BYTES = 4 << 20

#: Folder beside a table, and of a study, that holds locks and what is not finished.
WORKING = "working"
#: Folders of a study that are written into or looked through.
_IN_WORKING = ("checkpoints", "failed", "features", "locks", "logs", "predictions", "rows")
_FOLDERS = (WORKING, "models", "figures", *(f"{WORKING}/{name}" for name in _IN_WORKING))


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that the file is either the old one or the new one."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with open_atomically(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary stream that becomes ``path`` when the block ends without an error."""
    path = Path(path)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        if os.name != "nt":  # sync the folder's list of entries too; Windows has no call for it
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name beside ``path`` that nobody else has; `remove_temporaries` knows its form."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _refused(path: Path, error: OSError) -> TransferError:
    return TransferError(f"Cannot write {path}: {error.strerror or error}.")


@contextlib.contextmanager
def exclusively(path: str | Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file ``path`` during the block; yields whether this process holds it.

    The operating system frees the lock of a process that dies; the file stays. ``wait``: False: go
    on at once without it while another process holds it.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _NO_WAIT, 0o666)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        try:
            owned = lock_descriptor(descriptor, blocking=wait)
        except OSError as error:
            raise TransferError(f"Cannot lock {path}: {error.strerror or error}.") from error
        yield owned
    finally:
        os.close(descriptor)


def is_locked(path: str | Path) -> bool:
    """Whether a process holds the lock file ``path``, which is tried and let go at once."""
    flags = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
    try:
        descriptor = os.open(path, flags | _NO_LINK | _NO_WAIT)
    except OSError:
        return False
    try:
        return not lock_descriptor(descriptor, blocking=False)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def lock_beside(path: Path) -> Path:
    """The lock file that guards a table."""
    return path.parent / WORKING / "locks" / f"{path.name}.lock"


def remove_temporaries(folder: Path, name: str) -> None:
    """Remove what killed processes left of files in ``folder``; the caller holds their lock."""
    for left in folder.glob(f".{name}.*.tmp"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The content of a plain file of at most ``limit`` bytes; an `OSError` if it cannot be read."""
    with open_plain(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TransferError(f"Expected at most {limit} bytes in {path}. Received: more.")
    return content


def read_json(path: str | Path) -> dict[str, Any]:
    """A JSON object of at most 4 MiB."""
    try:
        content = json.loads(read_bytes(path, _MAX_JSON_BYTES).decode("utf-8"))
    except OSError as error:
        raise TransferError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise TransferError(f"Expected JSON in {path}. It cannot be parsed.") from error
    if not isinstance(content, dict):
        raise TransferError(f"Expected a JSON object in {path}.")
    return content


def open_plain(path: str | Path) -> io.BufferedReader:
    """Open a plain file; a link is refused, and so is a device or a pipe, which may never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | _NO_LINK | _NO_WAIT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TransferError(f"Expected a plain file at {path}. Received: a link.") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise TransferError(f"Expected a plain file at {path}.")
    return open(descriptor, "rb")


#: Differs between two contents of a file that is never changed but written anew.
Version = tuple[int, int, int]


def version_of(path: Path) -> Version | None:
    """The version of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def new_folder(out: str | Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends without error."""
    out = Path(out)
    refuse_occupied(out)
    temporary = _temporary(out)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if out.is_dir():
            out.rmdir()  # only an empty folder goes; another process's work stays
        temporary.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise TransferError(f"Cannot write the folder {out}: {reason}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_occupied(out: str | Path) -> None:
    """Raise a `TransferError` unless ``out`` is free: not there, or an empty folder."""
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what = "holds something" if out.is_dir() else "is a file"
        raise TransferError(
            f"Expected {out} not to exist or to be an empty folder. It {what}; "
            "choose another folder or remove it."
        )


def refuse_links(study_dir: str | Path) -> None:
    """Raise a `TransferError` if a folder of the study is a link to somewhere else."""
    for name in _FOLDERS:
        path = Path(study_dir, name)
        if path.is_symlink():
            raise TransferError(
                f"Expected a folder at {path}. Received: a link, which is not followed; put the "
                "folder itself there."
            )
