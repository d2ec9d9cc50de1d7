"""Images of classes, listed before any is opened, and how they are split if nobody has.

Names of frames are usually in the order of time, so the split goes by the order of names, never at
random: the first 80 % are train, the next 10 % valid, the last 10 % test, and 2 % are dropped at
the end of train and of valid, so that no frame has its neighbour in another split. Where names
run through all classes (``left/0017.jpg``, ``forward/0018.jpg``) they are ordered together, and the
same stretch of time is test for every class; where that would leave a class out of a split, each
class is split in its own order. Numbers in names count as numbers: 9 comes before 10.

Where images belong to groups (a recording, a person, an object), a group is never divided: groups
are dealt to ten parts of like size and like class shares, of which one is valid and one is test.
"""

import re
import warnings
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.dataset import SPLITS

SPLIT_OF = {"train": 0, "valid": 1, "val": 1, "validation": 1, "test": 2}
_TRAIN, _VALID, _GAP = 0.8, 0.1, 0.02
_PARTS = 10  # that groups are dealt to
_LEAST = 20  # images of a class that can be split: one or two for valid and for test
_LEAST_SHARE = 0.05  # of a class in valid and in test, if classes are split together


@dataclass(frozen=True, eq=False)
class Listing:
    """Images by split, before any is opened.

    Attributes
    ----------
    classes : tuple of str
    images : dict
        For each split, the paths: in the order of names, by group where there are groups.
    labels : dict
        For each split, int64 (N,).
    recordings : dict or None
        For each split, the number of each image's group, int64 (N,); None without groups.
    dropped : dict
        Files left out, by reason.
    remark : str
        How the split was made, in words.
    """

    classes: tuple[str, ...]
    images: dict[str, list[Path]]
    labels: dict[str, np.ndarray]
    recordings: dict[str, np.ndarray] | None
    dropped: dict[str, int]
    remark: str


def listing_of(
    classes: tuple[str, ...],
    images: list[Path],
    labels: np.ndarray,
    split: np.ndarray,
    order: np.ndarray,
    groups: np.ndarray | None,
    dropped: dict[str, int],
    remark: str,
) -> Listing:
    """A `Listing` of images whose split (0, 1, 2, or -1: none) is known, taken in ``order``."""
    chosen = {name: order[split[order] == number] for number, name in enumerate(SPLITS)}
    return Listing(
        classes,
        {name: [images[index] for index in indices] for name, indices in chosen.items()},
        {name: labels[indices] for name, indices in chosen.items()},
        None if groups is None else {name: groups[i] for name, i in chosen.items()},
        dropped,
        remark,
    )


def split_listing(
    src: Path,
    classes: tuple[str, ...],
    images: list[Path],
    names: list[str],
    labels: np.ndarray,
    groups: list[str] | None,
    dropped: dict[str, int],
) -> Listing:
    """Split images by group, or where there are no groups by the order of ``names``.

    Raises
    ------
    TransferError
        If a class has too few images or groups to be split.
    """
    if groups is not None:
        unique = sorted(set(groups), key=in_order)
        number_of = {group: number for number, group in enumerate(unique)}
        numbers = np.array([number_of[group] for group in groups], np.int64)
        split = split_by_group(numbers, labels, classes)
        order = np.array(sorted(range(len(names)), key=lambda i: (numbers[i], in_order(names[i]))))
        shares = np.bincount(split, minlength=3) / len(split)
        remark = (
            f"split by {len(unique)} groups, none divided: train {shares[0]:.0%}, "
            f"valid {shares[1]:.0%}, test {shares[2]:.0%}"
        )
        return listing_of(classes, images, labels, split, order, numbers, dropped, remark)
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < _LEAST:
        raise TransferError(
            f"Expected at least {_LEAST} images of every class in {src}, to split them. Received: "
            f"{counts.min()} of {classes[int(counts.argmin())]!r}; add some, or split the images "
            "into train, valid and test yourself."
        )
    split, order, together = split_by_name(names, labels)
    remark = (
        f"split by the order of names, {'all classes together' if together else 'by class'}, "
        f"taken for the order of time: the first {_TRAIN:.0%} train, then {_VALID:.0%} valid, "
        f"the last {1 - _TRAIN - _VALID:.0%} test, {_GAP:.0%} dropped between splits"
    )
    near = {"next to another split": int((split < 0).sum())}
    return listing_of(classes, images, labels, split, order, None, dropped | near, remark)


def groups_by_pattern(pattern: str, names: list[str]) -> list[str]:
    """What the first parenthesis of a regular expression captures in each name.

    >>> groups_by_pattern(r"([^/]+)_[0-9]+[.]jpg", ["cat/tom_1.jpg", "cat/tom_2.jpg"])
    ['tom', 'tom']

    Raises
    ------
    TransferError
        If ``pattern`` is no regular expression, or has no parenthesis.
    TransferError
        If it captures nothing in a name.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise TransferError(
            f"Expected a regular expression after --group. {pattern!r} is none: {error}."
        ) from error
    if not compiled.groups:
        raise TransferError(
            "Expected a parenthesis around the group in --group, such as '([^/]+)_[0-9]+'. "
            f"Received: {pattern!r}."
        )
    found = []
    for name in names:
        match = compiled.search(name)
        if match is None or not match[1]:
            raise TransferError(
                f"Expected --group {pattern!r} to capture a group in every name. It captures "
                f"nothing in {name!r}."
            )
        found.append(match[1])
    return found


def split_by_group(groups: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Assign whole groups to train (0), valid (1) and test (2), int64 (N,).

    Groups are dealt to ten parts (as many as there are groups, if fewer) by scikit-learn's
    ``StratifiedGroupKFold``. Of the pairs of parts, that becomes valid and test whose class shares
    are closest to those of all images, and whose sizes to a part; if every pair leaves a class out
    of a split, there are fewer and larger parts.

    Parameters
    ----------
    groups, labels : int64 (N,)
    classes : tuple of str
        Names of the labels, for the message.

    Raises
    ------
    TransferError
        If no such split has every class everywhere: a class has fewer than three groups, or few
        groups that it shares with others.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import, seldom needed

    in_groups = [len(np.unique(groups[labels == label])) for label in range(len(classes))]
    if min(in_groups) < len(SPLITS):
        raise TransferError(
            "Expected three groups or more of every class, one each for train, valid and test. "
            f"Received: {min(in_groups)} of {classes[int(np.argmin(in_groups))]!r}."
        )
    for parts in range(min(_PARTS, len(np.unique(groups))), len(SPLITS) - 1, -1):
        part = np.empty(len(groups), np.int64)
        with warnings.catch_warnings(action="ignore"):  # a class smaller than the parts is no fault
            try:
                folds = list(StratifiedGroupKFold(parts).split(labels, labels, groups))
            except ValueError:  # every class is smaller than the number of parts
                continue
        for number, (_, inside) in enumerate(folds):
            part[inside] = number
        split = _best_pair(part, parts, labels, len(classes))
        if split is not None:
            return split
    raise TransferError(
        f"Expected groups that can be dealt to train, valid and test with every class in each. "
        f"Received: {len(np.unique(groups))} groups that cannot; use smaller groups, or split the "
        "images yourself."
    )


def _best_pair(part: np.ndarray, parts: int, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """The split nearest to all images in class shares and to a part in size, or None."""
    table = np.zeros((parts, classes), np.int64)
    np.add.at(table, (part, labels), 1)
    shares, size = table.sum(0) / table.sum(), table.sum() / parts
    best, least = None, np.inf
    for valid, test in permutations(range(parts), 2):
        held_out = table[[valid, test]]
        if min(held_out.min(), (table.sum(0) - held_out.sum(0)).min()) == 0:
            continue
        sizes = held_out.sum(1, keepdims=True)
        deviation = np.abs(held_out / sizes - shares).max() + np.abs(sizes / size - 1).max()
        if deviation < least:
            best, least = np.where(part == test, 2, np.where(part == valid, 1, 0)), deviation
    return best


def split_by_name(names: list[str], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Assign images to train (0), valid (1), test (2) or none (-1), by the order of names.

    Parameters
    ----------
    names : list of str, length N
    labels : int64 (N,)

    Returns
    -------
    split : int64 (N,)
    order : int64 (N,)
        Indices in the order that was cut.
    together : bool
        Whether that is the order of all names, or that of each class, one after the other.
    """
    order = np.array(sorted(range(len(names)), key=lambda i: in_order(names[i])))
    split = np.empty(len(names), np.int64)
    split[order] = _cut(len(names))
    classes = [order[labels[order] == label] for label in np.unique(labels)]
    shares = [
        np.bincount(split[indices] + 1, minlength=4)[1:] / len(indices) for indices in classes
    ]
    if np.min(shares) >= _LEAST_SHARE:
        return split, order, True
    for indices in classes:
        split[indices] = _cut(len(indices))
    return split, np.concatenate(classes), False


def _cut(count: int) -> np.ndarray:
    """Split of each of ``count`` images in order, with a gap at the end of train and of valid."""
    gap = max(1, round(_GAP * count))
    valid, test = round(_TRAIN * count), round((_TRAIN + _VALID) * count)
    split = np.repeat([0, 1, 2], [valid, test - valid, count - test])
    split[valid - gap : valid] = -1
    split[test - gap : test] = -1
    return split


def in_order(name: str) -> list[str | int]:
    """A key that orders numbers in names as numbers; text and numbers alternate."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
