"""Split data so that no test image has its neighbour in training.

A drive is split by time. Images of groups are split by group; else by the order of names, which in
frames is the order of time; on demand at random. What the source has split already stays.
"""

import re
import warnings
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.dataset import CLASSES, SPLITS, shuffled_classes
from transfer.tasks.imports.listing import Listing, in_order, numbered

_GAP = 0.02  # of the images, dropped between two splits by the order of names
_SEED = 0
_ONE_PATTERN = 0.9  # of the names differ in their numbers only: they may be those of frames
Ratios = tuple[float, float, float]  #: shares of train, valid and test
RATIOS: Ratios = (0.8, 0.1, 0.1)
_MAX_PAUSE = 0.2  # seconds between frames; more is a pause, at which the clock stands still


def driving_clock(seconds: np.ndarray, sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of driving, float64 (N,), and whether a pause lies before a frame, bool (N,).

    The clock stands still in a pause: the car does not move, so a pause separates no frames.
    """
    steps = np.diff(seconds)
    pause = (steps < 0) | (steps > _MAX_PAUSE) | (np.diff(sessions) != 0)
    clock = np.concatenate([[0.0], np.cumsum(np.where(pause, 0.0, steps))])
    return clock, np.concatenate([[False], pause])


def split_by_stretches(
    clock: np.ndarray,
    labels: np.ndarray,
    stretch_seconds: float,
    gap_seconds: float,
    ratios: Ratios = RATIOS,
) -> np.ndarray:
    """Assign frames to train (0), valid (1), test (2) or none (-1: too close to another split).

    Of every ten (or twenty) stretches of equal length the same are valid and test. Of all ways to
    choose them the one is taken whose class shares deviate least from the drive's.
    """
    parts = 10 if np.allclose(np.multiply(ratios, 10) % 1, 0) else 20
    sizes = [max(1, round(ratio * parts)) for ratio in ratios[1:]]
    place = (clock // stretch_seconds).astype(np.int64) % parts
    classes = np.unique(labels)
    shares = np.array([(labels == label).mean() for label in classes])
    best, least = None, np.inf
    for starts in product(range(parts), repeat=2):
        split_of = np.zeros(parts, np.int64)
        for number, start, size in zip((1, 2), starts, sizes, strict=True):
            split_of[(start + np.arange(size)) % parts] += number
        if np.bincount(split_of, minlength=3)[1:].tolist() != sizes:
            continue  # valid and test overlap
        split = _keep_apart(clock, split_of[place], gap_seconds)
        counts = np.array([[(labels[split == s] == c).sum() for c in classes] for s in range(3)])
        if counts.min() == 0:
            continue
        deviation = np.abs(counts[1:] / counts[1:].sum(axis=1, keepdims=True) - shares).max()
        if deviation < least:
            best, least = split, deviation
    if best is None or len(classes) < len(CLASSES):
        raise TransferError(
            f"Expected frames of {', '.join(CLASSES)} in train, valid and test. Received: "
            f"{clock[-1]:.0f} s of driving, too short or too one-sided to be split into stretches "
            f"of {stretch_seconds:g} s."
        )
    return best


def _keep_apart(clock: np.ndarray, split: np.ndarray, gap_seconds: float) -> np.ndarray:
    """Drop train frames near valid or test, and valid frames near test."""
    kept = split.copy()
    for number in (1, 0):
        others = np.concatenate([[-np.inf], clock[split > number], [np.inf]])
        after = np.searchsorted(others, clock)
        distance = np.minimum(others[after] - clock, clock - others[after - 1])
        kept[(split == number) & (distance < gap_seconds)] = -1
    return kept


def split_listing(listing: Listing, ratios: Ratios = RATIOS, stratified: bool = False) -> Listing:
    """Split the images of a listing, or what it leaves open, in the order the data set takes."""
    labels, names = listing.labels, listing.names
    order = np.array(sorted(range(len(names)), key=lambda index: in_order(names[index])))
    sequence = _look_like_frames(names, labels[order])
    split = np.zeros(len(labels), np.int64) if listing.split is None else listing.split.copy()
    missing = [number for number in range(3) if number not in split]
    if 0 in missing:
        raise TransferError(f"Expected images for train in {listing.src}.")
    groups = None
    if listing.groups is not None:
        groups = numbered(listing.groups)[1]
        order = order[np.argsort(groups[order], kind="stable")]
    remarks = [] if listing.split is None else ["split as the source says"]
    if missing:
        pool = order[split[order] == 0]
        kept = ratios[0] + sum(ratios[number] for number in missing)
        shares = {number: ratios[number] / kept for number in missing}
        pooled = (labels[pool], listing.classes, shares)
        if groups is not None:
            split[pool] = split_by_group(groups[pool], *pooled)
            way = f"by {groups.max() + 1} groups, none divided"
        elif stratified:
            split[pool] = split_at_random(*pooled)
            way = "at random within each class"
        else:
            split[pool], together = split_by_name(*pooled)
            if not together:
                order = order[np.argsort(labels[order], kind="stable")]
            way = (
                f"by the order of names, {'all classes together' if together else 'by class'}, "
                f"taken for the order of time, {_GAP:.0%} dropped between splits"
            )
        parts = [f"{SPLITS[number]} {shares[number]:.0%}" for number in missing]
        whole = "the images" if listing.split is None else "the training images"
        remarks.append(f"{' and '.join(parts)} of {whole}, split off {way}")
    if stratified and sequence:
        remarks.append(
            "warning: the names look like those of frames of a video, whose neighbours are now in "
            "different splits; split by their order or by group instead"
        )
    return replace(
        listing,
        images=[listing.images[index] for index in order],
        names=[names[index] for index in order],
        labels=labels[order],
        groups=None,
        split=split[order],
        recordings=None if groups is None else groups[order],
        frames=sequence and groups is None,
        remarks=("; ".join(remarks),),
        dropped={**listing.dropped, "next to another split": int((split < 0).sum())},
    )


def _look_like_frames(names: list[str], labels_in_order: np.ndarray) -> bool:
    """Whether images seem to be frames sorted into classes: one numbering runs through all."""
    last = [name.rpartition("/")[2] for name in names]
    patterns = Counter(re.sub("[0-9]+", "#", name) for name in last)
    pattern, count = patterns.most_common(1)[0]
    if len(set(last)) < len(last) or "#" not in pattern or count < _ONE_PATTERN * len(last):
        return False
    return int((np.diff(labels_in_order) != 0).sum()) > 2 * len(np.unique(labels_in_order))


def split_by_group(
    groups: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], shares: dict[int, float]
) -> np.ndarray:
    """Assign whole groups to train (0) and to the splits of ``shares`` (1, 2), int64 (N,).

    Test is split off first, then valid: ``StratifiedGroupKFold`` deals the groups to as many parts
    as the share asks for, and the part that comes closest is taken.
    """
    in_groups = [len(np.unique(groups[labels == label])) for label in range(len(classes))]
    if min(in_groups) <= len(shares):
        raise TransferError(
            f"Expected {len(shares) + 1} groups or more of every class, one for each split. "
            f"Received: {min(in_groups)} of {classes[int(np.argmin(in_groups))]!r}."
        )
    split = np.zeros(len(groups), np.int64)
    for number in sorted(shares, reverse=True):
        rest = np.flatnonzero(split == 0)
        to_come = sum(other < number for other in shares)
        share = shares[number] * len(groups) / len(rest)
        part = _best_part(groups[rest], labels[rest], len(classes), share, to_come + 1)
        if part is None:
            raise TransferError(
                "Expected groups that can be dealt to train, valid and test with every class in "
                f"each. Received: {len(np.unique(groups))} groups that cannot; use smaller groups, "
                "or split the images yourself."
            )
        split[rest[part]] = number
    return split


def _best_part(
    groups: np.ndarray, labels: np.ndarray, classes: int, share: float, spare: int
) -> np.ndarray | None:
    """Indices of whole groups, about a share of all; each class keeps ``spare`` groups or more."""
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import, seldom needed

    wanted = np.bincount(labels, minlength=classes) / len(labels)
    table = np.unique(np.stack([groups, labels]), axis=1)  # (2, pairs of a group and a class)
    for parts in range(min(round(1 / share), len(np.unique(groups))), 1, -1):
        best, least = None, np.inf
        with warnings.catch_warnings(action="ignore"):  # a class smaller than the parts is no fault
            try:
                folds = list(StratifiedGroupKFold(parts).split(labels, labels, groups))
            except ValueError:  # every class is smaller than the number of parts
                continue
        for _, part in folds:
            left = table[1][~np.isin(table[0], groups[part])]
            counts = np.bincount(labels[part], minlength=classes)
            if counts.min() == 0 or np.bincount(left, minlength=classes).min() < spare:
                continue
            size = counts.sum()
            deviation = np.abs(counts / size - wanted).max() + abs(size / len(labels) / share - 1)
            if deviation < least:
                best, least = part, deviation
        if best is not None:
            return best
    return None


def split_by_name(
    labels: np.ndarray, classes: tuple[str, ...], shares: dict[int, float]
) -> tuple[np.ndarray, bool]:
    """Assign images, in the order of names, to train (0), to ``shares`` or to none (-1).

    Returns the split, int64 (N,), and whether the order of all was cut, or that of each class.
    """
    _refuse_few(labels, classes, shares, 2)  # one of them is dropped between two splits
    split = _cut(len(labels), shares, _GAP)
    of_class = [np.flatnonzero(labels == label) for label in range(len(classes))]
    enough = [
        (split[indices] == number).mean() >= share / 2
        for indices in of_class
        for number, share in {**shares, 0: 1 - sum(shares.values())}.items()
    ]
    if all(enough):
        return split, True
    for indices in of_class:
        split[indices] = _cut(len(indices), shares, _GAP)
    return split, False


def split_at_random(
    labels: np.ndarray, classes: tuple[str, ...], shares: dict[int, float]
) -> np.ndarray:
    """Deal the images of each class at random, the same way every time."""
    _refuse_few(labels, classes, shares, 1)
    split = np.empty(len(labels), np.int64)
    for indices in shuffled_classes(labels, _SEED):
        split[indices] = _cut(len(indices), shares, gap=0)
    return split


def _refuse_few(
    labels: np.ndarray, classes: tuple[str, ...], shares: dict[int, float], each: int
) -> None:
    """Every class must have enough images to give ``each`` to every split."""
    counts = np.bincount(labels, minlength=len(classes))
    smallest = min(*shares.values(), 1 - sum(shares.values()))
    least = int(np.ceil(each / smallest - 1e-9))
    if counts.min() < least:
        raise TransferError(
            f"Expected at least {least} images of every class, to split them. Received: "
            f"{counts.min()} of {classes[int(counts.argmin())]!r}; add some, or split the images "
            "into train, valid and test yourself."
        )


def _cut(count: int, shares: dict[int, float], gap: float) -> np.ndarray:
    """Split of ``count`` images in order; a gap ends every part but the last."""
    split = np.zeros(count, np.int64)
    dropped = max(1, round(gap * count)) if gap else 0
    left = 1.0
    starts = []
    for number in sorted(shares, reverse=True):
        left -= shares[number]
        starts.append((number, round(left * count)))
    for number, start in reversed(starts):
        split[start:] = number
        split[start - dropped : start] = -1
    return split
