"""``data``: simulate, download, import or check a data set."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transfer.cli.arguments import Commands, whole
from transfer.errors import TransferError, UsageError
from transfer.program import say


def add_commands(commands: Commands) -> None:
    """Add the command and its four kinds."""
    data = commands.add_parser(
        "data",
        help="simulate, download, import or check a data set",
        description="A data set is a folder of six .npy files: images and labels of train, valid "
        "and test.",
    )
    kinds = data.add_subparsers(dest="data_command", required=True, metavar="WHAT")
    _add_lanes(kinds)
    download = kinds.add_parser(
        "download",
        help="the data set of the published study: a tar of .npy files",
        description="Fetch the arrays of the published study: 67,280 frames of drives on a floor "
        "marked with tape.",
    )
    _add_out(download)
    download.add_argument("--url", help="a mirror (default: the authors' address)")
    download.set_defaults(call=_download)
    _add_import(kinds)
    check = kinds.add_parser(
        "check",
        help="whether a data set is sound: layout, class shares, leakage",
        description="Check the layout, print the share of each class, and look for leakage: test "
        "images that are nearly copies of training images. Ends with 1 if there is a problem.",
    )
    check.add_argument("data", type=Path, metavar="DIR", help="the data set")
    check.set_defaults(call=lambda options: _print_check(options.data))


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")


def _add_lanes(kinds: Commands) -> None:
    lanes = kinds.add_parser(
        "lanes",
        help="simulate drives with a frontal camera",
        description="Simulate drives of a small car between two stripes of tape, as its camera "
        "sees them. Labels are the keys that the driver presses: forward, left, right.",
    )
    _add_out(lanes)
    for split, images in (("train", 6000), ("valid", 1500), ("test", 2000)):
        lanes.add_argument(
            f"--{split}",
            type=whole(1),
            default=images,
            metavar="N",
            help=f"images (default: {images})",
        )
    lanes.add_argument(
        "--seed", type=whole(0), default=0, help="another number gives other drives (default: 0)"
    )
    lanes.set_defaults(call=_lanes)


def _add_import(kinds: Commands) -> None:
    importer = kinds.add_parser(
        "import",
        help="a Donkeycar tub, a recording of Udacity's simulator, folders or a list of images",
        description="Bring foreign images into the layout of a data set. SRC is recognised by what "
        "it holds: a Donkeycar tub, version 1 or 2 (manifest.json or record_*.json); a recording "
        "of Udacity's simulator (driving_log.csv and IMG); a folder of several of these; images "
        "(JPEG, PNG, WebP, BMP, TIFF, GIF) in SRC/CLASS, or in SRC/train/CLASS, SRC/valid/CLASS "
        "and SRC/test/CLASS, of which valid or test may be missing; or, if SRC is a .csv file, the "
        "images below its folder that it names, in columns path and label (and, if there are, "
        "split and group). Drives are split by time, other images by group or by the order of "
        "names. Images of any size, grey, transparent, 16-bit or turned by EXIF are read; what "
        "cannot be read, and links, are left out and named in left-out.csv.",
    )
    importer.add_argument("src", type=Path, metavar="SRC", help="folder or .csv file to import")
    _add_out(importer)
    importer.add_argument(
        "--size",
        type=_parsed("parse_size"),
        metavar="HxW",
        default="45x80",
        help="height and width, in pixels, that images are resized to (default: 45x80)",
    )
    importer.add_argument(
        "--group",
        type=_parsed("check_group"),
        metavar="REGEX",
        help="keep images together in train, valid or test if the first parenthesis of this "
        "regular expression captures the same in CLASS/NAME or the path in the .csv, e.g. "
        "'([^/]+)_[0-9]+' for the recording in its name (default: each image by itself)",
    )
    importer.add_argument(
        "--split",
        choices=("order", "stratified"),
        default="order",
        help="order (default): by the order of names, taken for the order of time; stratified: at "
        "random within each class, for photographs that are independent of each other",
    )
    importer.add_argument(
        "--ratios",
        type=_parsed("parse_ratios"),
        metavar="PERCENTS",
        default="80,10,10",
        help="per cent of train, valid and test (default: 80,10,10)",
    )
    importer.add_argument(
        "--name", help="of the data set (default: the name of DIR, or of the folder around it)"
    )
    importer.set_defaults(call=_import)


def _parsed(parser: str) -> Callable[[str], Any]:
    """What a function of the importers makes of a text; its refusal is one of the command line."""

    def parse(text: str) -> Any:
        from transfer.tasks.imports import importers

        try:
            return getattr(importers, parser)(text)
        except TransferError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _lanes(options: argparse.Namespace) -> None:
    from transfer.tasks.lanes.generate import LEAST_IMAGES, generate

    if min(options.train, options.valid, options.test) < LEAST_IMAGES:
        raise UsageError(f"Expected {LEAST_IMAGES} images or more of each split.")
    generate(options.out, options.train, options.valid, options.test, options.seed)
    _print_check(options.out)


def _download(options: argparse.Namespace) -> None:
    from transfer.tasks.download import DEFAULT_URL, download

    download(options.out, options.url or DEFAULT_URL)
    _print_check(options.out)


def _import(options: argparse.Namespace) -> None:
    from transfer.tasks.imports.importers import import_data
    from transfer.tasks.imports.plan import CONTACT_SHEET

    height, width = options.size
    done = import_data(
        options.src,
        options.out,
        height=height,
        width=width,
        name=options.name,
        ratios=options.ratios,
        group=options.group,
        stratified=options.split == "stratified",
    )
    say(*done.lines(), f"Contact sheet: {options.out / CONTACT_SHEET}")


def _print_check(path: Path) -> None:
    from transfer.tasks.checks.check import check

    problems, summary = check(path)
    say(*summary)
    if problems:
        say(*(f"error: {problem}" for problem in problems[:-1]), error=True)
        raise TransferError(problems[-1])
