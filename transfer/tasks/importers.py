"""Bring a Donkeycar drive (a "tub") into the layout of a data set, split by time.

A tub is a folder of camera images with the driver's steering. Version 2: ``manifest.json`` names
``catalog_*.catalog`` files of one JSON record a line, images in ``images/``. Version 1: one
``record_*.json`` an image, beside it.

Steering is a number in -1..1; Donkeycar's convention is -1 = full left, 1 = full right. Within
``dead_zone`` of 0 the label is forward (0), below it left (1), above it right (2).

The split: a driving clock runs through the drive and stands still while nothing was recorded. It is
cut into blocks of ``block_seconds``; of every ten blocks one is validation and one is test, the
same two of every ten, chosen so that the class shares of both come closest to the drive's. Training
frames within ``gap_seconds`` of a validation or test frame, and validation frames within
``gap_seconds`` of a test frame, are dropped: at 20 frames a second neighbours are near-twins.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from transfer.errors import TransferError
from transfer.progress import track
from transfer.tasks.dataset import (
    CLASSES,
    HEIGHT,
    SPLITS,
    WIDTH,
    Split,
    refuse_occupied,
    write_dataset,
)

_EVERY = 10  # blocks, of which one is validation and one is test
_FRAMES_PER_SECOND = 20.0  # Donkeycar's default, for version 1 tubs without a clock
_MAX_PAUSE = 0.2  # seconds between frames; more is a pause, at which the clock stands still
_MAX_RECORDS = 2_000_000
_MAX_FILE_BYTES = 64 << 20
_MAX_RECORD_BYTES = 64 << 10
_MAX_PIXELS = 4096 * 4096


@dataclass(frozen=True)
class ImportSummary:
    """What an import kept and dropped; `lines` says it in words.

    Attributes
    ----------
    counts : dict
        For each split, the number of images of forward, left, right.
    dropped : dict
        Records left out, by reason.
    """

    records: int
    counts: dict[str, tuple[int, ...]]
    dropped: dict[str, int]
    dead_zone: float
    block_seconds: float
    gap_seconds: float
    clock: str

    def lines(self) -> list[str]:
        """The summary for a person."""
        lines = [
            f"{self.records} records; dead zone {self.dead_zone:g}: steering below "
            f"-{self.dead_zone:g} is left, above {self.dead_zone:g} is right; {self.clock}",
            f"split by blocks of {self.block_seconds:g} s, {self.gap_seconds:g} s between splits",
        ]
        for split, counts in self.counts.items():
            shares = (
                f"{name} {count} ({count / sum(counts):.1%})"
                for name, count in zip(CLASSES, counts, strict=True)
            )
            lines.append(f"{split}: {sum(counts)} images: {', '.join(shares)}")
        lines += [f"dropped {count}: {reason}" for reason, count in self.dropped.items() if count]
        return lines


@dataclass(frozen=True)
class _Drive:
    """The usable records of a tub, in the order they were driven."""

    images: list[Path]
    angles: np.ndarray  # float64 (N,)
    seconds: np.ndarray  # float64 (N,), of any origin
    sessions: list[str]
    dropped: dict[str, int]
    clock: str


def detect_and_import(src: str | Path, out: str | Path, **options: Any) -> ImportSummary:
    """Import whatever ``src`` is; options as in `import_tub`.

    Raises
    ------
    TransferError
        If ``src`` is nothing that can be imported; otherwise as `import_tub`.
    """
    src = Path(src)
    if src.is_dir() and _tub_reader(src) is not None:
        return import_tub(src, out, **options)
    raise TransferError(
        f"Expected a Donkeycar tub at {src}: a folder with manifest.json (version 2) or "
        f"record_*.json (version 1). Received: {'another folder' if src.is_dir() else 'no folder'}."
    )


def import_tub(
    src: str | Path,
    out: str | Path,
    *,
    block_seconds: float = 10.0,
    gap_seconds: float = 2.0,
    dead_zone: float = 0.1,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
) -> ImportSummary:
    """Write the tub ``src`` as a data set to ``out``; see the module for labels and split.

    Parameters
    ----------
    block_seconds : float
        Length of a block on the driving clock, above 0.
    gap_seconds : float
        Least distance between frames of different splits on the driving clock, 0 or more.
    dead_zone : float
        Steering in [-dead_zone, dead_zone] is forward; in [0, 1).
    height, width : int
        Images are shrunk to this size as a whole, nothing is cropped.
    name : str, optional
        Name of the data set; by default that of the folder ``out``.

    Returns
    -------
    ImportSummary

    Raises
    ------
    TransferError
        If ``src`` is no tub, a record points outside it, ``out`` is occupied, or no split of the
        drive has all classes everywhere.
    """
    src, out = Path(src), Path(out)
    if not (block_seconds > 0 and gap_seconds >= 0 and 0 <= dead_zone < 1):
        raise TransferError(
            "Expected block_seconds > 0, gap_seconds >= 0 and 0 <= dead_zone < 1. "
            f"Received: {block_seconds}, {gap_seconds}, {dead_zone}."
        )
    refuse_occupied(out)
    reader = _tub_reader(src)
    if reader is None:
        raise TransferError(f"Expected manifest.json or record_*.json in the tub {src}.")
    drive = reader(src)
    labels = np.where(drive.angles < -dead_zone, 1, np.where(drive.angles > dead_zone, 2, 0))
    clock, pauses = driving_clock(drive.seconds, drive.sessions)
    split = split_by_blocks(clock, labels, block_seconds, gap_seconds)
    recordings = _stretches(split, pauses)
    unreadable = 0
    splits, progress = {}, iter(track(range(len(labels)), len(labels), f"Importing {src.name}"))
    for number, split_name in enumerate(SPLITS):
        chosen = np.flatnonzero(split == number)
        images, kept = _read_images([drive.images[i] for i in chosen], height, width, progress)
        unreadable += len(chosen) - len(kept)
        splits[split_name] = Split(images, labels[chosen[kept]], recordings[chosen[kept]])
    near = int((split < 0).sum())
    dropped = drive.dropped | {
        f"within {gap_seconds:g} s of another split": near,
        "image missing or unreadable": unreadable,
    }
    counts = {
        key: tuple(np.bincount(value.labels, minlength=len(CLASSES)).tolist())
        for key, value in splits.items()
    }
    summary = ImportSummary(
        len(labels) + sum(drive.dropped.values()),
        counts,
        dropped,
        dead_zone,
        block_seconds,
        gap_seconds,
        drive.clock,
    )
    recipe = {
        "importer": "tub",
        "dead_zone": dead_zone,
        "block_seconds": block_seconds,
        "gap_seconds": gap_seconds,
        "dropped": dropped,
    }
    write_dataset(
        out,
        splits,
        name=name or out.resolve().name,
        height=height,
        width=width,
        classes=CLASSES,
        recipe=recipe,
    )
    return summary


def driving_clock(seconds: np.ndarray, sessions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """A clock that stands still in pauses, and where the pauses are.

    A pause does not move the car, so it must not count as distance between two frames.

    Parameters
    ----------
    seconds : float64 (N,)
        Timestamps in the order of the drive; a step back is a pause.
    sessions : list of str, length N
        A change of session is a pause.

    Returns
    -------
    clock : float64 (N,)
        Seconds of driving since the first frame, not decreasing.
    pauses : bool (N,)
        Whether a pause lies right before a frame.
    """
    steps = np.diff(seconds)
    changed = np.array([a != b for a, b in pairwise(sessions)], dtype=bool)
    pause = (steps < 0) | (steps > _MAX_PAUSE) | changed
    clock = np.concatenate([[0.0], np.cumsum(np.where(pause, 0.0, steps))])
    return clock, np.concatenate([[False], pause])


def split_by_blocks(
    clock: np.ndarray, labels: np.ndarray, block_seconds: float, gap_seconds: float
) -> np.ndarray:
    """Assign frames to train (0), valid (1), test (2) or none (-1: too close to another split).

    Of the 90 ways to give two of every ten blocks to validation and test, the one is taken whose
    class shares deviate least; the labels are looked at, nothing else.

    Raises
    ------
    TransferError
        If every way leaves a class out of a split: the drive is too short or too one-sided.
    """
    place = (clock // block_seconds).astype(np.int64) % _EVERY
    classes = np.unique(labels)
    shares = np.array([(labels == label).mean() for label in classes])
    best, least = None, np.inf
    for valid, test in permutations(range(_EVERY), 2):
        split = np.where(place == test, 2, np.where(place == valid, 1, 0))
        split = _keep_apart(clock, split, gap_seconds)
        counts = np.array([[(labels[split == s] == c).sum() for c in classes] for s in range(3)])
        if counts.min() == 0:
            continue
        deviation = np.abs(counts[1:] / counts[1:].sum(axis=1, keepdims=True) - shares).max()
        if deviation < least:
            best, least = split, deviation
    if best is None or len(classes) < len(CLASSES):
        raise TransferError(
            f"Expected frames of {', '.join(CLASSES)} in train, valid and test. Received: "
            f"{clock[-1]:.0f} s of driving that no split into blocks of {block_seconds:g} s "
            "serves; try shorter blocks, a smaller dead zone or a longer drive."
        )
    return best


def _keep_apart(clock: np.ndarray, split: np.ndarray, gap_seconds: float) -> np.ndarray:
    """Drop train frames near valid or test, and valid frames near test."""
    kept = split.copy()
    for number in (1, 0):
        kept[(split == number) & (_distance(clock, clock[split > number]) < gap_seconds)] = -1
    return kept


def _distance(clock: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Seconds from each time to the nearest of ``others`` (sorted)."""
    fenced = np.concatenate([[-np.inf], others, [np.inf]])
    after = np.searchsorted(fenced, clock)
    return np.minimum(fenced[after] - clock, clock - fenced[after - 1])


def _stretches(split: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """Number the recordings: stretches without a pause within one split, int64 (N,)."""
    starts = pauses | np.concatenate([[True], split[1:] != split[:-1]])
    return np.cumsum(starts) - 1


def _read_images(
    paths: list[Path], height: int, width: int, progress: Iterator[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (K, height, width, 3) and which of ``paths`` they are, int64 (K,)."""
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)
    kept: list[int] = []
    for position, path in enumerate(paths):
        next(progress, None)
        try:
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                if image.width * image.height > _MAX_PIXELS:
                    continue
                # Bilinear with Pillow's wide support: an average over the area when shrinking.
                small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        images[len(kept)] = np.asarray(small)
        kept.append(position)
    return images[: len(kept)], np.array(kept, dtype=np.int64)


def _tub_reader(src: Path) -> Callable[[Path], _Drive] | None:
    if (src / "manifest.json").is_file():
        return _read_v2
    if next(src.glob("record_*.json"), None) is not None:
        return _read_v1
    return None


def _read_v2(src: Path) -> _Drive:
    lines = _text(src / "manifest.json").splitlines()
    catalogs = _object(lines[-1], src / "manifest.json") if lines else {}
    names, deleted = catalogs.get("paths"), catalogs.get("deleted_indexes", [])
    if not isinstance(names, list) or not isinstance(deleted, list):
        raise TransferError(
            f"Expected the paths of catalogs in the last line of {src}/manifest.json."
        )
    gone = {index for index in deleted if isinstance(index, int)}
    records = []
    for name in names:
        catalog = _plain_file(src, name)
        for line in _text(catalog).splitlines():
            records.append(_object(line, catalog))
            if len(records) > _MAX_RECORDS:
                raise TransferError(f"Expected at most {_MAX_RECORDS} records in {src}.")
    kept = [record for record in records if record.get("_index") not in gone]
    times = [record.get("_timestamp_ms") for record in kept]
    return _drive(
        src / "images",
        kept,
        times,
        "clock of the tub",
        {"deleted in the tub": len(records) - len(kept)},
    )


def _read_v1(src: Path) -> _Drive:
    paths = {}
    for path in src.glob("record_*.json"):
        number = path.stem.removeprefix("record_")
        if number.isascii() and number.isdigit() and len(number) < 10:
            paths[int(number)] = _plain_file(src, path.name)
    if not 0 < len(paths) <= _MAX_RECORDS:
        raise TransferError(f"Expected 1..{_MAX_RECORDS} files record_NUMBER.json in {src}.")
    numbers = sorted(paths)
    records = [_object(_text(paths[n], _MAX_RECORD_BYTES), paths[n]) for n in numbers]
    times = [record.get("milliseconds") for record in records]
    clock = "clock of the tub"
    if not all(_is_number(time) for time in times):
        clock = f"no clock in the tub: {_FRAMES_PER_SECOND:g} frames a second assumed"
        times = [number / _FRAMES_PER_SECOND * 1000 for number in numbers]
    return _drive(src, records, times, clock, {})


def _drive(
    folder: Path, records: list[dict], times: list[Any], clock: str, dropped: dict[str, int]
) -> _Drive:
    """The records a driver steered, with an angle, a time and an image inside ``folder``."""
    images, angles, seconds, sessions = [], [], [], []
    malformed = pilot = 0
    for record, time in zip(records, times, strict=True):
        angle, image = record.get("user/angle"), record.get("cam/image_array")
        if not (_is_number(angle) and _is_number(time) and isinstance(image, str)):
            malformed += 1
        elif record.get("user/mode", "user") != "user":
            pilot += 1  # the car steered itself: the driver's angle means nothing
        else:
            images.append(_plain_file(folder, image))
            angles.append(float(angle))
            seconds.append(float(time) / 1000)
            sessions.append(str(record.get("_session_id", "")))
    if not images:
        raise TransferError(f"Expected records with cam/image_array and user/angle in {folder}.")
    dropped = dropped | {"malformed record": malformed, "driven by a pilot": pilot}
    return _Drive(images, np.array(angles), np.array(seconds), sessions, dropped, clock)


def _plain_file(folder: Path, name: Any) -> Path:
    """``folder / name``, if that is a plain name in it and no link; it may be missing.

    Raises
    ------
    TransferError
        If the name leads anywhere else: such a tub is hostile or damaged, and is not read at all.
    """
    plain = isinstance(name, str) and 0 < len(name) < 256 and not set(name) & set("/\\\0")
    if not plain or name in (".", "..") or (folder / name).is_symlink() or folder.is_symlink():
        raise TransferError(
            f"Expected the name of a plain file inside {folder}. Received: {str(name)[:80]!r}; "
            "nothing was imported."
        )
    return folder / name


def _is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) in (int, float) and abs(value) < 1e15  # also false for nan


def _text(path: Path, limit: int = _MAX_FILE_BYTES) -> str:
    try:
        if path.stat().st_size > limit:
            raise TransferError(f"Expected at most {limit} bytes in {path}.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise TransferError(f"Expected the text of a tub in {path}. Received: {reason}.") from error


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line) if len(line) <= _MAX_FILE_BYTES else None
    except (ValueError, RecursionError) as error:
        raise TransferError(f"Expected one JSON object a line in {path}. It is damaged.") from error
    if not isinstance(value, dict):
        raise TransferError(f"Expected one JSON object a line in {path}.")
    return value
