"""The command line: what its help says first, and every way a command can end.

Each other module here holds a group of commands. A command is a function: its docstring is what
`--help` says, its options stand above it. Nothing heavy is imported before a command runs, so that
help appears at once.
"""

import argparse
import os
import signal
import sys
from typing import NoReturn

from transfer import __version__
from transfer.cli import answers, data, deploy, study
from transfer.cli.arguments import add_command
from transfer.errors import TransferError, UsageError
from transfer.program import command, end_where_a_file_is_cut, say

_EPILOG = """examples:
  {0} study --out experiments-results/quick
      a whole study on simulated drives, in minutes
  {0} data import ~/mytub --out data/mytub
  {0} study --data data/mytub --source imagenet --out experiments-results/mytub
      the same on your own drives, from ImageNet weights
  {0} run A3B+_s1 --out experiments-results/quick
      one network by its name: first three blocks from baseA, fine-tuned, seed 1
  {0} verdict experiments-results/quick
      how many blocks are general and where to cut, in words, with the numbers behind them
  {0} report experiments-results/quick
      all of it on one interactive page

words:
  baseA is a network trained on the source task (ImageNet, say), baseB one trained on your
  task. n counts blocks of the network, 0 to 13 for MobileNet v1 ({0} blocks shows those
  of other backbones); n = 0 is the first convolution alone.
  Frozen: training leaves these weights as they are. Fine-tuned: it changes all of them.

names of networks (a run is a network and a seed, e.g. A3B+_s1):
  baseB   random start             BnB  first n blocks from baseB, frozen (the control,
  baseB+  started from baseA            called selffer)
  AnB+    as AnB, fine-tuned       AnB  first n blocks from baseA, frozen (transfer)
  BnB+    as BnB, fine-tuned       RnB  first n blocks random, frozen
  A@nB    as baseB+, only block n and the head trained
  sliced-n  baseA cut after block n, fine-tuned

exit codes: 0 done, 1 input or data at fault, 2 command line at fault, 130 interrupted,
  141 the reader of the output has gone
"""


class _Parser(argparse.ArgumentParser):
    """argparse with the project's way of saying what is wrong: one line."""

    def error(self, message: str) -> NoReturn:
        _end(f"{message} (see {self.prog} --help)", 2)


def make_parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    parser: argparse.ArgumentParser = _Parser(
        prog=command(),
        description="How much of a pretrained network does your image task really need?",
        epilog=_EPILOG.format(command()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"feature-transfer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data.add_commands(commands)
    for call in (
        *(study.study, study.run, study.status),
        *(answers.verdict, answers.figures, answers.report, answers.scores, answers.blocks),
        *(deploy.export, deploy.predict, deploy.measure, deploy.reestimate, deploy.drive),
        study.bench,
    ):
        add_command(commands, call)
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every way it can end has its exit code and, unless 0, one line."""
    options = make_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_where_a_file_is_cut()
    try:
        options.call(options)
    except UsageError as error:
        _end(str(error), 2)
    except TransferError as error:
        _end(str(error), 1)
    except KeyboardInterrupt:
        _end("interrupted; what is finished is kept, and the same command goes on from here", 130)
    except MemoryError:
        _end("not enough memory; a smaller data set, input or number of --workers needs less", 1)
    except BrokenPipeError:  # the reader of our output has gone, as in `... | head`
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:  # a name that is too long, a folder that may not be read
        _end(f"Cannot use {error.filename}: {error.strerror}." if error.filename else str(error), 1)


def _end(message: str, code: int) -> NoReturn:
    say(f"error: {' '.join(message.split())}", error=True)
    raise SystemExit(code)
