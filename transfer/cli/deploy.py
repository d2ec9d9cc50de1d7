"""The part of the command line that takes networks away from a study: words and help."""

import argparse
from pathlib import Path
from typing import Any

from transfer.cli import commands_deploy


def add_deploy(subcommands: "argparse._SubParsersAction[Any]") -> None:
    """Add export, measure, reestimate and drive."""
    _add_export(subcommands)
    _add_measure(subcommands)
    _add_reestimate(subcommands)
    _add_drive(subcommands)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="the study's data, if moved")


def _add_export(subcommands: "argparse._SubParsersAction[Any]") -> None:
    export = subcommands.add_parser(
        "export",
        help="write a network to a file for a device: Keras, LiteRT or ONNX",
        description="Write a finished run to a file that takes uint8 camera frames and returns "
        "probabilities. The file is run on the whole test set before it is put in place. LiteRT "
        "and ONNX need: pip install -r requirements-export.txt",
    )
    export.add_argument(
        "run", type=Path, metavar="STUDY_DIR/RUN", help="e.g. .../quick/sliced-7_s0"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    export.add_argument(
        "--format",
        choices=("keras", "litert", "onnx"),
        help="default: by the suffix of FILE, .keras, .tflite or .onnx",
    )
    export.add_argument(
        "--int8", action="store_true", help="full-integer weights and activations (litert)"
    )
    export.add_argument(
        "--reestimate",
        type=int,
        default=0,
        metavar="N",
        help="first estimate the BatchNorm statistics anew on N training images, unlabelled (a few "
        "hundred do; what that gains: the command reestimate)",
    )
    _add_data(export)
    export.set_defaults(call=commands_deploy.export)


def _add_drive(subcommands: "argparse._SubParsersAction[Any]") -> None:
    drive = subcommands.add_parser(
        "drive",
        help="let a network drive the simulated car on tracks it has not seen",
        description="Closed loop: the network presses the keys. Whenever the car leaves the tape "
        "it is put back on the centre line, which counts as an intervention. Adds the network's "
        "drives to DIR/driving.csv and films the first lap. Lengths are in half widths of the "
        "lane.",
    )
    drive.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="STUDY_DIR/RUN, an exported file, or for comparison: driver (the simulator's own), "
        "forward (never presses a key)",
    )
    drive.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    drive.add_argument("--tracks", type=int, default=8, metavar="N", help="default: 8")
    drive.add_argument("--seeds", default="0,1", help="of each track's drives (default: 0,1)")
    drive.add_argument("--laps", type=float, default=2, help="length of a drive (default: 2)")
    drive.add_argument("--no-film", action="store_true", help="do not write NETWORK.gif")
    drive.set_defaults(call=commands_deploy.drive)


def _add_measure(subcommands: "argparse._SubParsersAction[Any]") -> None:
    measure = subcommands.add_parser(
        "measure",
        help="what networks cost on a device: size, memory, latency, accuracy, a row a format",
        description="Export runs of a study in several formats, run each file by its runtime and "
        "write size, memory, latency, throughput and accuracy to STUDY_DIR/deploy.csv. Times are "
        "worth comparing only if the machine is idle. Needs: pip install -r "
        "requirements-export.txt",
    )
    measure.add_argument("study", type=Path, metavar="STUDY_DIR")
    measure.add_argument("runs", nargs="*", metavar="RUN", help="default: all that are finished")
    measure.add_argument(
        "--formats",
        default="keras,litert,litert-int8,onnx",
        help="default: %(default)s",
    )
    measure.add_argument("--calls", type=int, default=200, help="of one frame (default: 200)")
    _add_data(measure)
    measure.set_defaults(call=commands_deploy.measure)


def _add_reestimate(subcommands: "argparse._SubParsersAction[Any]") -> None:
    reestimate = subcommands.add_parser(
        "reestimate",
        help="what BatchNorm statistics of the target gain without training",
        description="Estimate the BatchNorm statistics of finished runs anew on training images, "
        "without labels and without training, and write the test accuracy before and after to "
        "STUDY_DIR/reestimation.csv. With --source the features of baseA itself are compared too, "
        "by a ridge probe after every block.",
    )
    reestimate.add_argument("study", type=Path, metavar="STUDY_DIR")
    reestimate.add_argument(
        "runs", nargs="*", metavar="RUN", help="default: all on all training images"
    )
    reestimate.add_argument("--images", type=int, default=512, help="default: 512")
    reestimate.add_argument("--source", help="that of the study: fractals, imagenet or a file")
    _add_data(reestimate)
    reestimate.set_defaults(call=commands_deploy.reestimate)
