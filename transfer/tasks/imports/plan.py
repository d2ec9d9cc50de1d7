"""An import: what is read, written beside the arrays, and told."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.files import read_bytes
from transfer.progress import track
from transfer.tables import MOST_BYTES, is_formula
from transfer.tasks.checks.contact_sheet import contact_sheet
from transfer.tasks.dataset import SPLITS, Split, check_description, default_name, write_dataset
from transfer.tasks.imports.images import Decoded, read_images
from transfer.tasks.imports.listing import Listing

CONTACT_SHEET, LEFT_OUT = "contact-sheet.png", "left-out.csv"
_UNREADABLE = "image missing or unreadable"
_NAMED = 5  # of the files left out, in the summary
_SQUASHED = 1.1  # ratio of aspects from which a person would see that images were stretched
_MULTIPLE = 16  # of the sides that are suggested: MobileNet halves five times, the stem included


@dataclass(frozen=True)
class ImportSummary:
    """What an import kept and dropped; `lines` says it in words."""

    records: int  #: kept and dropped together
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]  #: for each split, the number of images of each class
    dropped: dict[str, int]  #: records left out, by reason
    remarks: tuple[str, ...]  #: how labels and splits were made, and which images could not be read

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


def carry_out(plan: Listing, out: Path, height: int, width: int, name: str | None) -> ImportSummary:
    """Read the images and write the data set; what cannot work is refused before reading."""
    name = name or default_name(out)
    check_description(str(out), name, height, width, plan.classes)
    assert plan.split is not None  # a listing that is split
    total = int((plan.split >= 0).sum())
    progress = iter(track(range(total), total, f"Importing to {out.name}"))
    splits, decoded, tables = {}, [], {}
    left_out = list(plan.left_out)
    first = ""
    for number, split in enumerate(SPLITS):
        indices = np.flatnonzero(plan.split == number)
        read = read_images([plan.src / plan.images[i] for i in indices], height, width, progress)
        decoded.append(read)
        for path, error in read.unreadable:
            first = first or str(error)
            left_out.append((path.relative_to(plan.src).as_posix(), f"{_UNREADABLE}: {error}"))
        kept = indices[read.kept]
        recordings = None if plan.recordings is None else plan.recordings[kept]
        splits[split] = Split(read.images, plan.labels[kept], recordings)
        files = enumerate(plan.images[i] for i in kept)
        tables[f"{split}_files.csv"] = _table(("index", "file"), files)
    unreadable = sum(len(read.unreadable) for read in decoded)
    if unreadable == total:
        raise TransferError(f"Expected images that can be read in {plan.src}. {first}")
    reasons = Counter(reason.partition(":")[0] for _, reason in left_out)
    dropped = {**plan.dropped, _UNREADABLE: 0, **reasons}
    if left_out:
        tables[LEFT_OUT] = _table(("file", "reason"), left_out)
    tables[CONTACT_SHEET] = contact_sheet(splits["train"], plan.classes)
    write_dataset(
        out,
        splits,
        name=name,
        height=height,
        width=width,
        classes=plan.classes,
        frames=plan.frames,
        recipe={**plan.recipe, "dropped": dropped},
        beside=tables,
    )
    remarks = [*plan.remarks, _about_sizes(decoded, height, width)]
    if left_out:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        names = ", ".join(file for file, _ in left_out[:_NAMED])
        remarks.append(f"left out: {names}{more}; {LEFT_OUT} names all and says why")
    if first:
        remarks.append(f"first image left out: {first}")
    counts = {
        split: tuple(np.bincount(value.labels, minlength=len(plan.classes)).tolist())
        for split, value in splits.items()
    }
    records = total - unreadable + sum(dropped.values())
    return ImportSummary(records, plan.classes, counts, dropped, tuple(remarks))


def _about_sizes(decoded: list[Decoded], height: int, width: int) -> str:
    """What sizes the images had, and whether most were stretched."""
    sides = np.concatenate([read.sides for read in decoded])
    low, high = ("x".join(map(str, side)) for side in (sides.min(0), sides.max(0)))
    sizes = low if low == high else f"{low} to {high}"
    words = f"images of {sizes} pixels (height x width), resized as a whole to {height}x{width}"
    aspect = float(np.median(sides[:, 0] / sides[:, 1]))
    if max(aspect * width / height, height / width / aspect) < _SQUASHED:
        return words
    better = _like(aspect, height * width)
    return (
        f"{words}: most are stretched; --size {better} here and --input {better} for the study "
        "come closer to their shape"
    )


def _like(aspect: float, area: int) -> str:
    """HxW of about this shape and area, with sides that a network divides well."""
    sides = np.arange(2, 65) * _MULTIPLE
    stretched = np.abs(np.log(sides[:, None] / sides / aspect))  # (heights, widths)
    grown = np.abs(np.log(sides[:, None] * sides / area))
    near = stretched <= max(np.log(_SQUASHED), stretched.min())
    row, column = np.unravel_index(np.where(near, grown, np.inf).argmin(), grown.shape)
    return f"{sides[row]}x{sides[column]}"


def _table(header: tuple[str, str], rows: Iterable[tuple[object, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")


def harmless(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: of a path, ``./`` changes nothing."""
    return f"./{cell}" if is_formula(str(cell)) else cell


def file_names(data: Path, split: str) -> list[str]:
    """The file that each image of a split was imported from; empty if nobody recorded it."""
    path = data / f"{split}_files.csv"
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8", "backslashreplace")
        header, *rows = csv.reader(io.StringIO(text))
        indices, names = zip(*rows, strict=True)
        if header != ["index", "file"] or list(map(int, indices)) != list(range(len(names))):
            raise ValueError("other columns or indices")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise TransferError(
            f"Expected a table of index and file, in order, in {path}. It is malformed."
        ) from error
    return list(names)
