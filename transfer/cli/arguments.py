"""What commands share: how values are read from words, and how sentences are printed."""

import argparse
import os
import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from transfer.errors import TransferError
from transfer.program import command, say

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_study(parser: argparse.ArgumentParser) -> None:
    """The folder of a finished or unfinished study."""
    parser.add_argument("study", type=Path, metavar="DIR", help="folder of the study")


def add_data(parser: argparse.ArgumentParser) -> None:
    """The data set of a study, where it may have moved."""
    text = "the study's data set (default: where the study found it)"
    parser.add_argument("--data", type=Path, metavar="DATA", help=text)


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which baseA, how wide, and what size of images it sees."""
    parser.add_argument(
        "--source",
        help="baseA, the network that blocks are taken from: fractals (default, shipped: trained "
        "on drawn fractals), imagenet (downloaded) or a Keras weight file",
    )
    text = "width of the network, a factor above 0 (default: 0.25)"
    parser.add_argument("--alpha", type=float, help=text)
    text = "size the images are resized to (default: 48x80)"
    parser.add_argument("--input", metavar="HxW", help=text)


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of at least ``least``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"Expected a whole number of {least} or more. Received: {text!r}."
            )
        return int(text)

    return read


def run_name(text: str) -> str:
    """Reads the name of a run, such as ``A3B+_s1``."""
    from transfer.runs import parse_run

    try:
        return parse_run(text).name
    except TransferError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_path(text: str) -> Path:
    """Reads ``STUDY_DIR/RUN``."""
    return Path(text).parent / run_name(Path(text).name)


def print_sentences(sentences: Iterable[str]) -> None:
    """Sentences are wrapped; commands stand on a line of their own, to be copied."""
    for sentence in sentences:
        if sentence.startswith(command()):
            say(f"  {sentence}")
        else:
            say(textwrap.fill(sentence, 88, subsequent_indent="  ", break_on_hyphens=False))


def note(sentences: Iterable[str]) -> None:
    """What was left out, on standard error."""
    say(*(f"note: {sentence}" for sentence in sentences), error=True)


def load_tensorflow() -> None:
    """With the kernels the workers of a study use, and without its greetings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from transfer.progress import quietly

    with quietly():
        import tensorflow

        tensorflow.zeros(1)
