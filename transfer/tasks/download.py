"""Fetch the published arrays: a tar archive of six .npy files, resumed where it was cut.

It comes into ``OUT.tar.part``, what is known of it into ``OUT.tar.part.json``; a second call goes
on with an HTTP range request (RFC 9110, section 14).
"""

import contextlib
import gzip
import http.client
import io
import json
import math
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from transfer.errors import TransferError
from transfer.files import new_folder, read_json, refuse_occupied, write_atomically
from transfer.progress import track
from transfer.tasks.dataset import SPLITS, Dataset, load_dataset

#: The data set of felipessalvatore/self_driving_data (MIT); the published address ends in dl=0,
#: which is a web page about the file.
DEFAULT_URL = "https://www.dropbox.com/s/7i0kb82ti1zia73/data.tar?dl=1"
_FILES = frozenset(f"{split}_{what}.npy" for split in SPLITS for what in ("data", "labels"))
_WEB = r"https?://[^/\s]"
_CHUNK = 1 << 20
_MAX_MEMBERS = 1000
_ATTEMPTS = 5
#: What a damaged archive raises: tarfile calls itself for every extended header of a member.
_DAMAGED = (
    *(tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError),
    *(ValueError, LookupError, ArithmeticError, RecursionError),
)


def download(
    out: str | Path, url: str = DEFAULT_URL, *, timeout: float = 30.0, max_bytes: int = 4 << 30
) -> Dataset:
    """Fetch, unpack and check the data set at ``url``; whole or not at all.

    ``timeout``: seconds without a byte after which the connection counts as cut; what has arrived
    is kept, and the next call goes on. ``max_bytes``: of the archive and of what is in it.
    """
    out = Path(out)
    if not re.match(_WEB, url):
        raise TransferError(f"Expected an http or https address. Received: {url!r}.")
    refuse_occupied(out)
    part = out.with_name(f"{out.name}.tar.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, timeout, max_bytes)
    except http.client.HTTPException as error:
        raise TransferError(f"Expected HTTP from {url}. Received: {error!r}.") from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise TransferError(
            f"Cannot fetch {url}: {reason}; run the same command again to go on."
        ) from error
    try:
        with new_folder(out) as folder:
            _unpack(part, folder, url, max_bytes)
            load_dataset(folder)
    except TransferError as error:
        cause = error.__cause__  # a full disk is no fault of the archive
        if isinstance(cause, _DAMAGED) or not isinstance(cause, OSError):
            _forget(part)
        raise
    _forget(part)
    return load_dataset(out)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _fetch(url: str, part: Path, timeout: float, max_bytes: int) -> None:
    """Bring ``part`` to its full length, in several connections if they are cut."""
    for _ in range(_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        total = _fetch_once(url, part, timeout, max_bytes)
        size = part.stat().st_size
        if total is None or size == total:
            return
        if size <= before:
            break  # nothing arrived: another attempt would not help
    raise TransferError(
        f"Expected {total} bytes from {url}. Received: {size}, then the connection was cut; "
        "run the same command again to go on."
    )


def _fetch_once(url: str, part: Path, timeout: float, max_bytes: int) -> int | None:
    """One connection; the length of the whole archive, None if the server does not tell."""
    have, notes = _resume_point(url, part)
    if have and have == notes.get("total"):
        return have
    headers = {"User-Agent": "transfer", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if notes.get("validator"):
            headers["If-Range"] = notes["validator"]
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.build_opener(_WebOnly).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # what is here is no beginning of what is there
            part.unlink()
            return _fetch_once(url, part, timeout, max_bytes)
        raise TransferError(
            f"Expected an archive at {url}. Received: HTTP {error.code} {error.reason}; "
            "it may have moved, give its address with --url."
        ) from error
    with response:
        if response.headers.get_content_type() == "text/html":
            raise TransferError(
                f"Expected an archive at {url}. Received: a web page; "
                "a Dropbox address must end in dl=1."
            )
        start, total = _extent(response, have, notes)
        if max(total or 0, start) > max_bytes:
            raise TransferError(
                f"Expected at most {max_bytes} bytes from {url}. Received: {total}."
            )
        # A weak validator must not be used in If-Range: RFC 9110, section 13.1.5.
        etag = response.headers.get("ETag") or "W/"
        validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag
        known = {"url": url, "total": total, "validator": validator}
        write_atomically(_notes(part), json.dumps(known))
        with open(part, "ab" if start else "wb") as stream:
            steps = math.ceil(((total or max_bytes) - start) / _CHUNK)
            pieces = _pieces(response)
            if total is not None:
                pieces = track(pieces, steps, "Fetching the archive, MiB")
            for piece in pieces:
                stream.write(piece)
                if stream.tell() > (total or max_bytes):
                    raise TransferError(
                        f"Expected {total or max_bytes} bytes from {url}, not more."
                    )
    return total


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to http and https only; urllib by itself goes to ftp too."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str):
        if not re.match(_WEB, newurl):
            raise TransferError(f"Expected an http or https address. Received: {newurl!r:.200}.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _resume_point(url: str, part: Path) -> tuple[int, dict[str, Any]]:
    """How many bytes are here already, and the notes; (0, {}) if they are of another address."""
    try:
        notes, have = read_json(_notes(part)), part.stat().st_size
    except (OSError, TransferError):
        return 0, {}
    total, validator = notes.get("total"), notes.get("validator")
    sound = total is None or (type(total) is int and total >= 0)
    sound &= notes.get("url") == url and bool(re.fullmatch(r"[!-~ ]*", str(validator or "")))
    return (have, notes) if sound else (0, {})


def _extent(response: Any, have: int, notes: dict[str, Any]) -> tuple[int, int | None]:
    """First byte of the response within the archive (0: all of it), and the archive's length."""
    if response.status == 206:
        extent = re.fullmatch(
            r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})", response.headers.get("Content-Range", "")
        )
        known = notes.get("total")
        if not extent or int(extent[1]) != have or known not in (None, int(extent[2])):
            raise TransferError(
                f"Expected bytes from {have} of {known} bytes. Received: "
                f"{response.headers.get('Content-Range')}; remove the .part file to start anew."
            )
        return have, int(extent[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch(r"\d{1,15}", length) else None


def _pieces(response: Any) -> Iterator[bytes]:
    """What arrives, until the end or until the connection is cut; the length tells which."""
    try:
        while piece := response.read(_CHUNK):
            yield piece
    except (http.client.IncompleteRead, ConnectionError, TimeoutError):
        return


class _InSmallReads(io.RawIOBase):
    """Refuses to be read in one piece: a compressed header of gigabytes has a few kilobytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * _CHUNK:
            raise ValueError(f"a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


@contextlib.contextmanager
def _unzipped(archive: Path) -> Iterator[Any]:
    with open(archive, "rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    with gzip.open(archive, "rb") if zipped else open(archive, "rb") as content:
        yield _InSmallReads(cast(IO[bytes], content))


def _unpack(archive: Path, folder: Path, url: str, max_bytes: int) -> None:
    """Copy the six files out of ``archive``, looking at every member before touching it."""
    written: set[str] = set()
    unpacked = 0
    try:
        with _unzipped(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for number, member in enumerate(tar):
                path = PurePosixPath(member.name)
                if number >= _MAX_MEMBERS or path.is_absolute() or ".." in path.parts:
                    raise TransferError(
                        f"Expected six files in the archive of {url}. Received: "
                        f"{member.name[:80]!r}; nothing was unpacked."
                    )
                plain = (member.isreg() and not member.issparse()) or member.isdir()
                if not plain or member.size < 0:  # which would be taken off the bytes counted
                    raise TransferError(
                        f"Expected plain files in the archive of {url}. Received: "
                        f"{member.name[:80]!r}, a link, a device, a sparse file or one of negative "
                        "size; nothing was unpacked."
                    )
                unpacked += member.size  # counted before the archive is read any further
                if unpacked > max_bytes or path.name in written:
                    raise TransferError(
                        f"Expected every file once and {max_bytes} bytes at most in the archive of "
                        f"{url}. {member.name[:80]!r} is repeated or too large."
                    )
                source = tar.extractfile(member) if path.name in _FILES else None
                if source is None:
                    continue  # a folder, or a file nobody asked for
                written.add(path.name)
                with open(folder / path.name, "wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
    except _DAMAGED as error:
        raise TransferError(
            f"Expected a tar archive at {url}. Received: something else, or a damaged one."
        ) from error
    if written != _FILES:
        missing = sorted(_FILES - written)[0]
        raise TransferError(f"Expected {missing} in the archive of {url}. It is not there.")
