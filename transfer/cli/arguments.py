"""What commands share: their options, how values are read from words, how sentences are said."""

import argparse
import inspect
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from transfer.errors import TransferError
from transfer.program import say
from transfer.runs import parse_run

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command: TypeAlias = Callable[[argparse.Namespace], None]
Option: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]


def option(*names: str, **settings: Any) -> Option:
    """An option of a command, in the words of ``argparse``."""
    return names, settings


def options(*of_command: Option) -> Callable[[Command], Command]:
    """Gives a function the options of the command that it does."""

    def give(call: Command) -> Command:
        vars(call)["options"] = of_command
        return call

    return give


def add_command(commands: Commands, call: Command) -> None:
    """Add a function as a command: its name and its docstring are those of the command."""
    text = inspect.getdoc(call) or ""
    first = text.partition("\n")[0].rstrip(".")
    parser = commands.add_parser(
        call.__name__.rstrip("_"), help=first[:1].lower() + first[1:], description=text
    )
    parser.set_defaults(call=call)
    for names, settings in vars(call)["options"]:
        parser.add_argument(*names, **settings)


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of at least ``least``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"Expected a whole number of {least} or more. Received: {text!r}."
            )
        return int(text)

    return read


def reads(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads what ``parse`` makes of a text; its refusal is one of the command line."""

    def read(text: str) -> Any:
        try:
            return parse(text)
        except TransferError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


run_name = reads(lambda text: parse_run(text).name)  #: such as ``A3B+_s1``


def run_path(text: str) -> Path:
    """Reads ``DIR/RUN``."""
    return Path(text).parent / run_name(Path(text).name)


STUDY = option("study", type=Path, metavar="DIR", help="folder of the study")
OUT = option("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
_MOVED = "the study's data set (default: where the study found it)"
DATA_OF_STUDY = option("--data", type=Path, metavar="DATA", help=_MOVED)
BACKBONE = option(
    "--backbone",
    metavar="NAME",
    help="mobilenet (default: MobileNet v1), mobilenet_v2, mobilenet_v3_small, "
    "mobilenet_v3_large, efficientnet_b0, efficientnet_v2_b0, resnet50 or convnext_tiny",
)
ALPHA = option(
    "--alpha",
    type=float,
    help="width of the network, a factor above 0 (default: 0.25; mobilenet_v2 0.35, others 1)",
)
INPUT = option("--input", metavar="HxW", help="size the images are resized to (default: 48x80)")
#: Which baseA, how wide, and what size of images it sees.
NETWORK = (
    option(
        "--source",
        help="baseA, the network that blocks are taken from: fractals (default, shipped: trained "
        "on drawn fractals), imagenet (downloaded) or a Keras weight file",
    ),
    BACKBONE,
    ALPHA,
    INPUT,
)


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
