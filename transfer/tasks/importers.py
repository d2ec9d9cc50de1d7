"""Bring a Donkeycar drive (a "tub") into the layout of a data set, split by time.

Steering is a number in -1..1; Donkeycar's convention is -1 = full left, 1 = full right. Within
``dead_zone`` of 0 the label is forward (0), below it left (1), above it right (2).

The split is by blocks of driving time; see `transfer.tasks.blocks`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transfer.errors import TransferError
from transfer.files import refuse_occupied
from transfer.progress import track
from transfer.tasks.blocks import driving_clock, split_by_blocks
from transfer.tasks.dataset import (
    CLASSES,
    HEIGHT,
    SPLITS,
    WIDTH,
    Split,
    write_dataset,
)
from transfer.tasks.tubs import tub_reader

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


def detect_and_import(src: str | Path, out: str | Path, **options: Any) -> ImportSummary:
    """Import whatever ``src`` is; options as in `import_tub`.

    Raises
    ------
    TransferError
        If ``src`` is nothing that can be imported; otherwise as `import_tub`.
    """
    src = Path(src)
    if src.is_dir() and tub_reader(src) is not None:
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
    reader = tub_reader(src)
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
