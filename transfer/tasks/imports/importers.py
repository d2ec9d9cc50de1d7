"""Bring foreign images into the layout of a data set: drives split by time, others by name."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.files import refuse_occupied
from transfer.tasks.dataset import CLASSES, HEIGHT, MAX_SIDE, WIDTH
from transfer.tasks.imports import splits
from transfer.tasks.imports.drives import find_recordings, is_udacity, read_as_one
from transfer.tasks.imports.listing import (
    Listing,
    holds_images,
    is_csv_list,
    read_csv_list,
    read_image_folders,
)
from transfer.tasks.imports.plan import ImportSummary, carry_out
from transfer.tasks.imports.recordings import Recording


def import_data(
    src: str | Path,
    out: str | Path,
    *,
    height: int = HEIGHT,
    width: int = WIDTH,
    name: str | None = None,
    ratios: splits.Ratios = splits.RATIOS,
    group: re.Pattern[str] | None = None,
    stratified: bool = False,
    stretch_seconds: float = 10.0,
    gap_seconds: float = 2.0,
    dead_zone: float = 0.1,
) -> ImportSummary:
    """Write whatever ``src`` is as a data set: a drive or several, folders or a list of images.

    Images that are missing, damaged or links are left out, counted and named. ``group``: as from
    `check_group`; what its first parenthesis captures stays together. ``stretch_seconds``,
    ``gap_seconds``: of a drive: length of a stretch, and least distance between frames of different
    splits, on the driving clock. ``dead_zone``: steering in [-dead_zone, dead_zone] is forward.
    """
    src, out = Path(src), Path(out)
    if not (stretch_seconds > 0 and gap_seconds >= 0 and 0 <= dead_zone < 1):
        raise TransferError(
            "Expected stretch_seconds > 0, gap_seconds >= 0 and 0 <= dead_zone < 1. "
            f"Received: {stretch_seconds}, {gap_seconds}, {dead_zone}."
        )
    refuse_occupied(out)
    try:
        src = src.resolve()
        readers, left_out = find_recordings(src) if src.is_dir() else ({}, [])
        is_images = is_csv_list(src) or (src.is_dir() and holds_images(src))
    except OSError as error:  # a name too long, a folder that may not be entered
        raise TransferError(f"Expected a folder at {src}. Received: {error.strerror}.") from error
    if readers:
        if group is not None or stratified:
            option = "--group" if group is not None else "--split stratified"
            raise TransferError(f"Expected no {option}: the drive {src} is split by time.")
        drive, numbers, damaged = read_as_one(src, readers)
        left_out += damaged
        seconds = (stretch_seconds, gap_seconds)
        plan = _plan_drive(src, drive, numbers, left_out, ratios, *seconds, dead_zone)
    elif is_images:
        plan = _plan_images(src, ratios, group, stratified)
    else:
        raise TransferError(
            f"Expected at {src} a Donkeycar tub (manifest.json or record_*.json), a recording of "
            "Udacity's simulator (driving_log.csv and IMG), a folder of several of these, a folder "
            "of images for each class, or a .csv file of paths and labels. Received: "
            f"{'another folder' if src.is_dir() else 'none'}."
        )
    return carry_out(plan, out, height, width, name)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text such as ``45x80``; a `TransferError` if it is none."""
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise TransferError(
            f"Expected HxW such as {HEIGHT}x{WIDTH}, sides of 1..{MAX_SIDE} pixels. "
            f"Received: {text!r}."
        )
    return sides


def parse_ratios(text: str) -> splits.Ratios:
    """Shares of train, valid and test from text such as ``80,10,10``, in per cent."""
    match = re.fullmatch(r"([0-9]{1,2}),([0-9]{1,2}),([0-9]{1,2})", text)
    numbers = [int(part) for part in match.groups()] if match else [0]
    if min(numbers) < 1 or sum(numbers) != 100:
        raise TransferError(
            "Expected the per cent of train, valid and test, such as 80,10,10, each 1 or more and "
            f"100 in all. Received: {text!r}."
        )
    train, valid, test = (number / 100 for number in numbers)
    return train, valid, test


def check_group(pattern: str) -> re.Pattern[str]:
    """The regular expression, if it is one and has a parenthesis; else a `TransferError`."""
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise TransferError(
            f"Expected a regular expression. {pattern!r} is none: {error}."
        ) from error
    if not compiled.groups:
        raise TransferError(
            "Expected a parenthesis around the group, such as '([^/]+)_[0-9]+'. "
            f"Received: {pattern!r}."
        )
    return compiled


def _plan_drive(
    src: Path,
    drive: Recording,
    numbers: np.ndarray,
    left_out: list[tuple[str, str]],
    ratios: splits.Ratios,
    stretch_seconds: float,
    gap_seconds: float,
    dead_zone: float,
) -> Listing:
    labels = np.where(drive.angles < -dead_zone, 1, np.where(drive.angles > dead_zone, 2, 0))
    clock, pauses = splits.driving_clock(drive.seconds, drive.sessions)
    split = _split_whole(numbers, labels, ratios)
    count = numbers[-1] + 1
    way = f"split by recording: each of {count} is in one split"
    if split is None:
        split = splits.split_by_stretches(clock, labels, stretch_seconds, gap_seconds, ratios)
        way = f"split by stretches of {stretch_seconds:g} s, {gap_seconds:g} s between splits"
    starts = pauses | np.concatenate([[True], split[1:] != split[:-1]])
    remarks = (
        *([f"{count} recordings"] if count > 1 else []),
        drive.clock,
        f"dead zone {dead_zone:g}: steering below -{dead_zone:g} is left, "
        f"above {dead_zone:g} is right",
        way,
    )
    recipe = {
        "importer": "udacity" if is_udacity(src) else "tub",
        "dead_zone": dead_zone,
        "stretch_seconds": stretch_seconds,
        "gap_seconds": gap_seconds,
        "split": way,
    }
    near = {f"within {gap_seconds:g} s of another split": int((split < 0).sum())}
    return Listing(
        src,
        CLASSES,
        drive.images,
        labels,
        left_out,
        drive.dropped | near,
        split=split,
        recordings=np.cumsum(starts) - 1,  # a recording has no pause, and lies within one split
        remarks=remarks,
        recipe=recipe,
    )


def _split_whole(
    numbers: np.ndarray, labels: np.ndarray, ratios: splits.Ratios
) -> np.ndarray | None:
    """Split whole recordings, if valid and test get half to twice what was asked; else None."""
    shares = {1: ratios[1], 2: ratios[2]}
    if numbers[-1] + 1 < len(ratios):
        return None
    try:
        split = splits.split_by_group(numbers, labels, CLASSES, shares)
    except TransferError:
        return None
    sizes = {number: (split == number).mean() / share for number, share in shares.items()}
    return split if all(0.5 <= size <= 2 for size in sizes.values()) else None


def _plan_images(
    src: Path, ratios: splits.Ratios, group: re.Pattern[str] | None, stratified: bool
) -> Listing:
    listing = read_csv_list(src) if is_csv_list(src) else read_image_folders(src)
    if group is not None:
        if listing.split is not None and len(np.unique(listing.split)) == len(ratios):
            raise TransferError(f"Expected no --group: the images of {src} are split already.")
        listing = replace(listing, groups=_captured(group, listing.images))
    listing = splits.split_listing(listing, ratios, stratified)
    recipe = {"importer": "csv" if is_csv_list(src) else "image folders"}
    recipe |= {"split": listing.remarks[0]} | ({"group": group.pattern} if group else {})
    return replace(listing, recipe=recipe)


def _captured(pattern: re.Pattern[str], names: list[str]) -> list[str]:
    """What the first parenthesis captures in each name."""
    captured = []
    for name in names:
        match = pattern.search(name)
        if match is None or not match[1]:
            raise TransferError(
                f"Expected --group {pattern.pattern!r} to capture a group in every name. It "
                f"captures nothing in {name!r}."
            )
        captured.append(match[1])
    return captured
