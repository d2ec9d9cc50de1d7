"""List folders of images: ``CLASS``, or ``train/CLASS``, ``valid/CLASS``, ``test/CLASS``.

Both at any depth below ``SRC``; folders inside a class belong to it.
"""

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.imports.images import SUFFIXES
from transfer.tasks.imports.listing import SPLIT_OF, Listing, in_order
from transfer.tasks.imports.recordings import refuse_more

_OTHER = "no image by its name"
_IGNORED = ("__MACOSX",)  # what an archive made on a Mac brings along


def holds_images(src: Path) -> bool:
    """Whether there are images in folders below ``src``."""
    return any(is_image and "/" in name for name, is_image, _ in walk(src))


def read_image_folders(src: Path) -> Listing:
    """List the images below ``src`` by class, and by split if they are split."""
    images: list[str] = []
    left_out: list[tuple[str, str]] = []
    folders_of_others: dict[str, int] = {}
    for name, is_image, is_link in walk(src):
        refuse_more(len(images) + len(left_out), src)
        folder = name.rpartition("/")[0]
        if is_link:
            left_out.append((name, "a link, which is not followed"))
        elif is_image and folder:
            images.append(name)
        elif is_image:
            left_out.append((name, "in no folder of a class"))
        else:
            folders_of_others[folder] = folders_of_others.get(folder, 0) + 1
    images.sort(key=in_order)
    parts = [name.split("/") for name in images]
    depth = _shared(parts)
    with_images = {"/".join(part[:end]) for part in parts for end in range(len(part))}
    left_out += [
        (folder, "a folder without images")
        for folder in folders_of_others
        if folder not in with_images
    ]
    splits = {part[depth] for part in parts if part[depth].lower() in SPLIT_OF}
    is_split = "train" in map(str.lower, splits)
    is_split &= all(len(part) > depth + 2 for part in parts if part[depth] in splits)
    if is_split:
        left_out += [
            (name, "beside train, valid and test")
            for name, part in zip(images, parts, strict=True)
            if part[depth] not in splits
        ]
        parts = [part for part in parts if part[depth] in splits]
        images = ["/".join(part) for part in parts]
    split = np.array([SPLIT_OF.get(part[depth].lower(), 0) for part in parts], np.int64)
    depth += is_split
    classes = tuple(sorted({part[depth] for part in parts}))
    if len(classes) < 2:
        raise TransferError(
            f"Expected a folder of images for each of two or more classes in {src}. "
            f"Received: {len(classes)}."
        )
    number_of = {name: number for number, name in enumerate(classes)}
    labels = np.array([number_of[part[depth]] for part in parts], np.int64)
    for number in np.unique(split):
        missing = set(range(len(classes))) - set(labels[split == number].tolist())
        if missing:
            raise TransferError(
                f"Expected the same classes in all splits of {src}. Received: no image of "
                f"{classes[min(missing)]!r} in {parts[int(np.argmax(split == number))][depth - 1]}."
            )
    names = ["/".join(part[depth + 1 :]) for part in parts]
    known = split if is_split else None
    dropped = {_OTHER: sum(folders_of_others.values())}
    return Listing(src, classes, images, labels, left_out, dropped, names, split=known)


def _shared(parts: list[list[str]]) -> int:
    """How many folders, from ``src`` downwards, all images share."""
    folders = [part[:-2] for part in (min(parts), max(parts))] if parts else [[], []]
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False)))


def walk(src: Path) -> Iterator[tuple[str, bool, bool]]:
    """Each plain file below ``src``: path, whether an image by its name, whether a link."""
    below = [""]
    while below:
        folder = below.pop()
        try:
            with os.scandir(src / folder) as entries:
                for entry in entries:
                    name = folder + entry.name
                    if entry.name.startswith(".") or entry.name in _IGNORED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(f"{name}/")
                    else:
                        is_image = entry.name.lower().endswith(SUFFIXES)
                        yield name, is_image, entry.is_symlink()
        except OSError as error:
            raise TransferError(
                f"Expected to list {src / folder}. Received: {error.strerror}."
            ) from error
