"""``data``: simulate, download, import or check a data set."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from transfer.cli.arguments import OUT, Commands, add_command, option, options, reads, whole
from transfer.errors import TransferError, UsageError
from transfer.program import say


def add_commands(commands: Commands) -> None:
    """Add the command and its four kinds."""
    text = "A data set is a folder of six .npy files: images and labels of train, valid and test."
    data = commands.add_parser(
        "data", help="simulate, download, import or check a data set", description=text
    )
    kinds = data.add_subparsers(dest="data_command", required=True, metavar="WHAT")
    for call in (lanes, download, import_, check):
        add_command(kinds, call)


@options(
    OUT,
    option("--train", type=whole(1), default=6000, help="training images (default: 6000)"),
    option("--valid", type=whole(1), default=1500, help="validation images (default: 1500)"),
    option("--test", type=whole(1), default=2000, help="test images (default: 2000)"),
    option("--seed", type=whole(0), default=0, help="seed of the drives (default: 0)"),
)
def lanes(given: argparse.Namespace) -> None:
    """Simulate drives with a frontal camera.

    A small car drives between two stripes of tape. Labels are the keys that its driver presses:
    forward, left, right.
    """
    from transfer.tasks.lanes.generate import LEAST_IMAGES, generate

    if min(given.train, given.valid, given.test) < LEAST_IMAGES:
        raise UsageError(f"Expected {LEAST_IMAGES} images or more of each split.")
    generate(given.out, given.train, given.valid, given.test, given.seed)
    _print_check(given.out)


@options(OUT, option("--url", help="address of a mirror (default: the authors' address)"))
def download(given: argparse.Namespace) -> None:
    """Fetch the data set of the published study: 67,280 frames of drives on a floor with tape."""
    from transfer.tasks.download import DEFAULT_URL, download

    download(given.out, given.url or DEFAULT_URL)
    _print_check(given.out)


def _parsed(parser: str) -> Callable[[str], Any]:
    """What a function of the importers, which are slow to import, makes of a text."""
    importers = "transfer.tasks.imports.importers"
    return reads(lambda text: getattr(import_module(importers), parser)(text))


@options(
    option("src", type=Path, metavar="SRC", help="folder or .csv file to import"),
    OUT,
    option(
        "--size",
        type=_parsed("parse_size"),
        metavar="HxW",
        default="45x80",
        help="height and width, in pixels, that images are resized to (default: 45x80)",
    ),
    option(
        "--group",
        type=_parsed("check_group"),
        metavar="REGEX",
        help="keep images together in train, valid or test if the first parenthesis of this "
        "regular expression captures the same in CLASS/NAME or the path in the .csv, e.g. "
        "'([^/]+)_[0-9]+' for the recording in its name (default: each image by itself)",
    ),
    option(
        "--split",
        choices=("order", "stratified"),
        default="order",
        help="how to split. order (default): by the order of names, taken for the order of time; "
        "stratified: at random within each class, for photographs independent of each other",
    ),
    option(
        "--ratios",
        type=_parsed("parse_ratios"),
        metavar="PERCENTS",
        default="80,10,10",
        help="per cent of train, valid and test (default: 80,10,10)",
    ),
    option("--name", help="name of the data set (default: that of DIR or the folder around it)"),
)
def import_(given: argparse.Namespace) -> None:
    """Import a Donkeycar tub, a recording of Udacity's simulator, folders or a list of images.

    SRC is recognised by what it holds: a Donkeycar tub, version 1 or 2 (manifest.json or
    record_*.json); a recording of Udacity's simulator (driving_log.csv and IMG); a folder of
    several of these; images (JPEG, PNG, WebP, BMP, TIFF, GIF) in SRC/CLASS, or in
    SRC/train/CLASS, SRC/valid/CLASS and SRC/test/CLASS, of which valid or test may be missing; or,
    if SRC is a .csv file, the images below its folder that it names, in columns path and label
    (and, if there are, split and group). Drives are split by time, other images by group or by
    the order of names. Images of any size, grey, transparent, 16-bit or turned by EXIF are read;
    what cannot be read, and links, are left out and named in left-out.csv.
    """
    from transfer.tasks.imports.importers import import_data
    from transfer.tasks.imports.plan import CONTACT_SHEET

    height, width = given.size
    done = import_data(
        given.src,
        given.out,
        height=height,
        width=width,
        name=given.name,
        ratios=given.ratios,
        group=given.group,
        stratified=given.split == "stratified",
    )
    say(*done.lines(), f"Contact sheet: {given.out / CONTACT_SHEET}")


@options(option("data", type=Path, metavar="DIR", help="the data set"))
def check(given: argparse.Namespace) -> None:
    """Check whether a data set is sound: layout, class shares, leakage.

    Leakage: test images that are nearly copies of training images. Ends with 1 if there is a
    problem.
    """
    _print_check(given.data)


def _print_check(path: Path) -> None:
    from transfer.tasks.checks.check import check

    problems, summary = check(path)
    say(*summary)
    if problems:
        say(*(f"error: {problem}" for problem in problems[:-1]), error=True)
        raise TransferError(problems[-1])
