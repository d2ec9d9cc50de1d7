"""An import: what is to be read, and how it is read, written and told.

Beside the arrays the data set gets ``contact-sheet.png``, some training images of each class, and
if files could not be read ``left-out.csv``, which names all of them.
"""

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.progress import track
from transfer.tasks.checks.contact_sheet import contact_sheet
from transfer.tasks.dataset import Split, check_description, write_dataset
from transfer.tasks.imports.images import Decoded, read_images

CONTACT_SHEET, LEFT_OUT = "contact-sheet.png", "left-out.csv"
_UNREADABLE = "image missing or unreadable"
_NAMED = 5  # unreadable images the summary names
_SQUASHED = 1.1  # ratio of aspects from which a person would see that images were stretched
_MULTIPLE = 16  # of the sides that are suggested: MobileNet halves five times, the stem included


@dataclass(frozen=True)
class ImportSummary:
    """What an import kept and dropped; `lines` says it in words.

    Attributes
    ----------
    records : int
        Kept and dropped together.
    counts : dict
        For each split, the number of images of each class.
    dropped : dict
        Records left out, by reason.
    remarks : tuple of str
        How labels and splits were made, and which images could not be read.
    """

    records: int
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    dropped: dict[str, int]
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary for a person."""
        lines = [f"{self.records} records", *self.remarks]
        for split, counts in self.counts.items():
            shares = (
                f"{name} {count} ({count / sum(counts):.1%})"
                for name, count in zip(self.classes, counts, strict=True)
            )
            lines.append(f"{split}: {sum(counts)} images: {', '.join(shares)}")
        lines += [f"dropped {count}: {reason}" for reason, count in self.dropped.items() if count]
        return lines


@dataclass(frozen=True, eq=False)
class Plan:
    """A data set before any image is opened; images, labels and recordings by split.

    Attributes
    ----------
    src : Path
        Folder that holds all images.
    """

    src: Path
    classes: tuple[str, ...]
    images: Mapping[str, list[Path]]
    labels: Mapping[str, np.ndarray]
    recordings: Mapping[str, np.ndarray] | None
    dropped: Mapping[str, int]
    remarks: tuple[str, ...]
    recipe: Mapping[str, Any]


def carry_out(plan: Plan, out: Path, height: int, width: int, name: str | None) -> ImportSummary:
    """Read the images and write the data set; what cannot work is refused before reading.

    Images that are missing or cannot be read are left out, counted and named.

    Raises
    ------
    TransferError
        If the data set would lack a class in a split, or ``out`` cannot be written.
    """
    name = name or out.resolve().name
    check_description(str(out), name, height, width, plan.classes)
    total = sum(map(len, plan.images.values()))
    progress = iter(track(range(total), total, f"Importing to {out.name}"))
    splits, decoded = {}, []
    for split, paths in plan.images.items():
        read = read_images(paths, height, width, progress)
        recordings = plan.recordings[split][read.kept] if plan.recordings else None
        splits[split] = Split(read.images, plan.labels[split][read.kept], recordings)
        decoded.append(read)
    unreadable = [entry for read in decoded for entry in read.unreadable]
    if len(unreadable) == total:
        raise TransferError(f"Expected images that can be read in {plan.src}. {unreadable[0][1]}")
    dropped = {**plan.dropped, _UNREADABLE: len(unreadable)}
    recipe = {**plan.recipe, "dropped": dropped}
    write_dataset(
        out, splits, name=name, height=height, width=width, classes=plan.classes, recipe=recipe
    )
    write_atomically(out / CONTACT_SHEET, contact_sheet(splits["train"], plan.classes))
    if unreadable:
        write_atomically(out / LEFT_OUT, _table(plan.src, unreadable))
    return ImportSummary(
        total - len(unreadable) + sum(dropped.values()),
        plan.classes,
        {
            split: tuple(np.bincount(value.labels, minlength=len(plan.classes)).tolist())
            for split, value in splits.items()
        },
        dropped,
        (*plan.remarks, _about_sizes(decoded, height, width), *_named(plan.src, unreadable)),
    )


def _about_sizes(decoded: list[Decoded], height: int, width: int) -> str:
    """What sizes the images had, and whether most were stretched."""
    sides = np.concatenate([read.sides for read in decoded])
    low, high = sides.min(0), sides.max(0)
    if (low == high).all():
        said = f"images of {low[0]}x{low[1]} pixels"
    else:
        said = f"images of {low[0]}x{low[1]} to {high[0]}x{high[1]} pixels"
    said += f" (height x width), resized as a whole to {height}x{width}"
    aspect = float(np.median(sides[:, 0] / sides[:, 1]))
    if max(aspect * width / height, height / width / aspect) < _SQUASHED:
        return said
    kept = np.sqrt(height * width * np.array([aspect, 1 / aspect])) / _MULTIPLE
    better = "x".join(str(side) for side in np.maximum(2, kept.round()).astype(int) * _MULTIPLE)
    return (
        f"{said}: most are stretched; --size {better} here and --input {better} for the study "
        "come closer to their shape"
    )


def _named(src: Path, unreadable: list[tuple[Path, TransferError]]) -> list[str]:
    if not unreadable:
        return []
    names = [os.path.relpath(path, src) for path, _ in unreadable[:_NAMED]]
    more = f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return [
        f"left out, {_UNREADABLE}: {', '.join(names)}{more}; {LEFT_OUT} names all and says why",
        f"first image left out: {unreadable[0][1]}",
    ]


def _table(src: Path, unreadable: list[tuple[Path, TransferError]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("path", "reason"))
    writer.writerows((os.path.relpath(path, src), str(error)) for path, error in unreadable)
    return stream.getvalue()
