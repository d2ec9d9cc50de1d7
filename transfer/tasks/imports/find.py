"""Find the recordings of a folder, be it one or several, and read them as one drive."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.listing import in_order
from transfer.tasks.imports.recordings import Recording, refuse_more
from transfer.tasks.imports.tubs import tub_reader
from transfer.tasks.imports.udacity import is_udacity, read_udacity

Reader = Callable[[Path], Recording]


def find_recordings(src: Path) -> tuple[dict[str, Reader], list[tuple[str, str]]]:
    """What reads the recording in ``src``, or those in its folders, by the name of the folder.

    Returns empty if there is no recording.
    Returns folders that are links, and why they are left out.
    """
    own = _reader(src)
    if own:
        return {"": own}, []
    readers: dict[str, Reader] = {}
    left_out = []
    for name in sorted((entry.name for entry in src.iterdir()), key=in_order):
        folder = src / name
        if name.startswith(".") or not folder.is_dir():
            continue
        if folder.is_symlink():
            left_out.append((name, "a link, which is not followed"))
        elif reader := _reader(folder):
            readers[name] = reader
    return readers, left_out


def _reader(folder: Path) -> Reader | None:
    return tub_reader(folder) or (read_udacity if is_udacity(folder) else None)


def read_as_one(
    src: Path, readers: dict[str, Reader]
) -> tuple[Recording, np.ndarray, list[tuple[str, str]]]:
    """Read recordings and join them, one after the other.

    Returns its images are paths below ``src``.
    Returns for each record, the number of its recording.
    Returns of several recordings those that are damaged, and why.
    Raises `TransferError` if the only recording is damaged, or all are.
    """
    recordings, left_out = [], []
    dropped: Counter[str] = Counter()
    sessions = 0
    for name, read in readers.items():
        try:
            one = read(src / name)
        except TransferError as error:
            if len(readers) == 1:
                raise
            left_out.append((name, f"a recording that cannot be read: {error}"))
            continue
        dropped.update(one.dropped)
        images = [f"{name}/{image}" for image in one.images] if name else one.images
        recordings.append(replace(one, images=images, sessions=one.sessions + sessions))
        sessions += int(one.sessions.max()) + 1
        refuse_more(sum(len(one.images) for one in recordings), src)
    if not recordings:
        raise TransferError(f"Expected a recording that can be read in {src}. {left_out[0][1]}")
    drive = Recording(
        [image for one in recordings for image in one.images],
        np.concatenate([one.angles for one in recordings]),
        np.concatenate([one.seconds for one in recordings]),
        np.concatenate([one.sessions for one in recordings]),
        dict(dropped),
        "; ".join(dict.fromkeys(one.clock for one in recordings)),
    )
    numbers = np.repeat(np.arange(len(recordings)), [len(one.images) for one in recordings])
    return drive, numbers, left_out
