"""The command line: its words, its help, and how every command can end."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from transfer.cli import commands
from transfer.cli.deploy import add_deploy
from transfer.errors import TransferError, UsageError

_EPILOG = """examples:
  python -m transfer study --preset quick --out experiments-results/quick
      the whole study on simulated drives, in minutes
  python -m transfer data import ~/mytub --out data/mytub
  python -m transfer study --data data/mytub --source imagenet --out experiments-results/mytub
      the same on your own drives, from ImageNet weights
  python -m transfer run A3B+_s1 --out experiments-results/quick
      one network by its name: first three blocks from baseA, fine-tuned, seed 1
  python -m transfer verdict experiments-results/quick
      how many blocks are general and where to cut, in words, with the numbers behind them
  python -m transfer report experiments-results/quick
      all of it on one interactive page

names of networks:
  baseB   random start          BnB  first n blocks from baseB, frozen (selffer)
  baseB+  started from baseA    AnB  first n blocks from baseA, frozen (transfer)
  AnB+    as AnB, not frozen    sliced-n  baseA cut after block n, fine-tuned

exit codes: 0 done, 1 input or data at fault, 2 command line at fault, 130 interrupted,
  141 the reader of the output has gone
"""


class _Parser(argparse.ArgumentParser):
    """argparse with the project's way of saying what is wrong: one line."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m transfer",
        description="How much of a pretrained MobileNet v1 does your image task really need?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(subcommands)
    _add_study(subcommands)
    figures = subcommands.add_parser("figures", help="redraw every figure from the CSVs")
    figures.add_argument("study", type=Path, metavar="DIR")
    figures.add_argument(
        "--published",
        action="store_true",
        help="add the published accuracies as hollow markers",
    )
    figures.set_defaults(call=commands.figures)
    verdict = subcommands.add_parser(
        "verdict", help="the answer in words, with the numbers behind it"
    )
    verdict.add_argument("study", type=Path, metavar="DIR")
    verdict.add_argument(
        "--margin",
        type=float,
        default=0.01,
        help="how much worse than baseB counts as equal (default: 0.01, one point)",
    )
    verdict.set_defaults(call=commands.verdict)
    report = subcommands.add_parser(
        "report", help="DIR/report.html: the whole study on one interactive page, to share"
    )
    report.add_argument("study", type=Path, metavar="DIR")
    report.add_argument(
        "--data", type=Path, metavar="DATA", help="the study's data, if moved: for its images"
    )
    report.set_defaults(call=commands.report)
    status = subcommands.add_parser(
        "status", help="where a study stands that is running elsewhere, and how long it will take"
    )
    status.add_argument("study", type=Path, metavar="DIR")
    status.set_defaults(call=commands.status)
    _add_scores(subcommands)
    bench = subcommands.add_parser("bench", help="images a second, ours and others' side by side")
    bench.add_argument("--threads", default="1,2", help="e.g. 1,2 (default)")
    bench.add_argument("--repetitions", type=int, default=3, help="turns (default: 3)")
    bench.add_argument("--seconds", type=float, default=5, help="of a measurement (default: 5)")
    bench.set_defaults(call=commands.bench)
    add_deploy(subcommands)
    return parser


def _add_data(subcommands: "argparse._SubParsersAction[_Parser]") -> None:
    data = subcommands.add_parser("data", help="simulate, download, import or check a data set")
    kinds = data.add_subparsers(dest="data_command", required=True, metavar="WHAT")
    lanes = kinds.add_parser("lanes", help="simulate drives with a frontal camera")
    lanes.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    for split, images in (("train", 6000), ("valid", 1500), ("test", 2000)):
        lanes.add_argument(
            f"--{split}", type=int, default=images, metavar="N", help=f"images (default: {images})"
        )
    lanes.add_argument("--seed", type=int, default=0, help="other drives (default: 0)")
    lanes.set_defaults(call=commands.data_lanes)
    download = kinds.add_parser("download", help="the published arrays: a tar of .npy files")
    download.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    download.add_argument("--url", help="a mirror (default: the authors' address)")
    download.set_defaults(call=commands.data_download)
    importer = kinds.add_parser(
        "import",
        help="a Donkeycar tub, a recording of Udacity's simulator, folders or a list of images",
        description="Bring foreign images into the layout of a data set. SRC is recognised by what "
        "it holds: a Donkeycar tub, version 1 or 2 (manifest.json or record_*.json); a recording "
        "of Udacity's simulator (driving_log.csv and IMG); .jpg and .png images in "
        "SRC/CLASS, or in SRC/train/CLASS, SRC/valid/CLASS and SRC/test/CLASS; or, if SRC is a "
        ".csv file, the images below its folder that it names, in columns path and label (and, if "
        "there are, split and group). Drives are split by blocks of time, other images by group or "
        "by the order of names, never at random by frame. Images of any size, grey, transparent, "
        "16-bit or turned by EXIF are read; what cannot be read is left out and named.",
    )
    importer.add_argument("src", type=Path, metavar="SRC", help="folder or .csv file to import")
    importer.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    importer.add_argument(
        "--size", metavar="HxW", default="45x80", help="size images are resized to (default: 45x80)"
    )
    importer.add_argument(
        "--group",
        metavar="REGEX",
        help="keep images together in train, valid or test if the first parenthesis of this "
        "regular expression captures the same in CLASS/NAME or the path in the .csv, e.g. "
        "'([^/]+)_[0-9]+' for the recording in its name",
    )
    importer.set_defaults(call=commands.data_import)
    check = kinds.add_parser("check", help="layout, class shares, leakage")
    check.add_argument("data", type=Path, metavar="DIR")
    check.set_defaults(call=commands.data_check)


def _add_study(subcommands: "argparse._SubParsersAction[_Parser]") -> None:
    study = subcommands.add_parser(
        "study",
        help="train every network of a study, then draw it",
        description="Train what is missing of a study and nothing else: it can be stopped at any "
        "time, and the same command goes on. The preset says what is run; options change it.",
    )
    study.add_argument(
        "--preset",
        choices=("quick", "full", "paper"),
        default="quick",
        help="quick (default): n = 1,4,7,10,13, one seed, minutes; full: every kind, n = 0-13, "
        "three seeds, hours; paper: alpha 1, 224x224, reference protocol, days on a CPU",
    )
    study.add_argument("--kinds", help="baseB,baseB+,BnB,BnB+,AnB,AnB+,RnB,A@nB,sliced")
    study.add_argument("--n", help="blocks kept from the base, e.g. 1,4,7 or 0-13")
    study.add_argument("--seeds", help="e.g. 0,1,2 or 0-4")
    study.add_argument("--bn", help="semantics of a frozen BatchNorm: inference,legacy,adapt")
    study.add_argument("--train-fraction", help="shares of the training images, e.g. 0.1,0.25,1")
    _add_settings(study)
    study.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local (default): processes on this machine; ray: tasks on a Ray cluster, where "
        "--workers is how many runs share it (docs/cluster.md)",
    )
    study.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster, or auto (default: this machine alone)",
    )
    study.add_argument(
        "--tensorboard",
        action="store_true",
        help="keep DIR/tensorboard up to date: curves of all runs, hyper-parameters "
        "(needs the package tensorboard)",
    )
    study.set_defaults(call=commands.study)
    run = subcommands.add_parser("run", help="train one network by its name, e.g. A3B+_s1")
    run.add_argument("name", metavar="NAME")
    _add_settings(run)
    run.set_defaults(call=commands.run_one, preset="quick")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the study"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a data set (default: simulated drives)"
    )
    parser.add_argument("--source", help="baseA: fractals, imagenet or a Keras weight file")
    parser.add_argument("--alpha", type=float, help="width multiplier (default: 0.25)")
    parser.add_argument("--input", help="size the images are resized to, HxW (default: 48x80)")
    parser.add_argument(
        "--protocol",
        choices=("reference", "fast"),
        help="reference: the published one, at most 15 epochs, early stopping; fast: one cycle of "
        "the learning rate, 3 epochs (compared in benchmarks/results/protocols.csv)",
    )
    parser.add_argument("--epochs", type=int, help="at most this many")
    parser.add_argument("--batch", type=int, help="images a step")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")


def _add_scores(subcommands: "argparse._SubParsersAction[_Parser]") -> None:
    scores = subcommands.add_parser(
        "scores",
        help="score how well every block's features serve a data set, without training",
        description="One pass over the training images scores the features after the stem and "
        "after every block of baseA: LogME, H-score, TransRate, class separation; a ridge probe "
        "and the nearest centroid by their accuracy on the validation images; LEEP and NCE where "
        "the source has a classifier. More is better in all of them.",
    )
    scores.add_argument("--data", type=Path, required=True, metavar="DIR", help="a data set")
    scores.add_argument("--source", help="baseA: fractals (default), imagenet or a weight file")
    scores.add_argument("--alpha", type=float, help="width multiplier (default: 0.25)")
    scores.add_argument("--input", help="size the images are resized to, HxW (default: 48x80)")
    scores.add_argument(
        "--positions",
        action="store_true",
        help="also take every position of a block's output as a sample, where a score allows it",
    )
    scores.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for scores.csv"
    )
    scores.set_defaults(call=commands.scores)


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every way it can end has its exit code and, unless 0, one line."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
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


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
