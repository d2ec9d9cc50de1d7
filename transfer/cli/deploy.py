"""``export``, ``measure``, ``reestimate`` and ``drive``: take a network away from its study."""

import argparse
from pathlib import Path

from transfer.cli.arguments import (
    Commands,
    add_data,
    add_study,
    load_tensorflow,
    run_name,
    run_path,
    whole,
)
from transfer.errors import TransferError, UsageError
from transfer.program import how_to_install, say

_FILES = (".keras", ".tflite", ".onnx")
_PILOTS = ("driver", "forward")


def add_commands(commands: Commands) -> None:
    """Add the four commands."""
    _add_export(commands)
    _add_measure(commands)
    _add_reestimate(commands)
    _add_drive(commands)


def _add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="write a network to a file for a device: Keras, LiteRT or ONNX",
        description="Write a finished run to a file that takes camera frames (uint8, RGB) and "
        "returns probabilities. The file is run on the whole test set before it is put in place. "
        f"LiteRT and ONNX need: {how_to_install('export')}",
    )
    export.add_argument("run", type=run_path, metavar="DIR/RUN", help="e.g. .../quick/sliced-7_s0")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    export.add_argument(
        "--format",
        choices=("keras", "litert", "onnx"),
        help="default: by the suffix of FILE, .keras, .tflite or .onnx",
    )
    export.add_argument(
        "--int8",
        action="store_true",
        help="weights and activations in whole numbers of 8 bits (litert; default: float32)",
    )
    export.add_argument(
        "--reestimate",
        type=whole(0),
        default=0,
        metavar="N",
        help="first compute the BatchNorm statistics (the means and variances by which layers "
        "normalise) anew on N training images, without labels; a few hundred do. What that gains: "
        "the command reestimate (default: 0, as trained)",
    )
    add_data(export)
    export.set_defaults(call=_export)


def _add_measure(commands: Commands) -> None:
    measure = commands.add_parser(
        "measure",
        help="what networks cost on a device: size, memory, latency, accuracy, a row a format",
        description="Export runs of a study in several formats, run each file by its runtime and "
        "write size, memory, latency, throughput and accuracy to DIR/deploy.csv. Times are "
        f"worth comparing only if the machine is idle. Needs: {how_to_install('export')}",
    )
    _add_runs(measure, "all that are finished")
    measure.add_argument(
        "--formats", default="keras,litert,litert-int8,onnx", help="default: %(default)s"
    )
    measure.add_argument(
        "--calls",
        type=whole(200),
        default=200,
        help="of one frame, for the median latency and its 95th percentile (default: 200)",
    )
    add_data(measure)
    measure.set_defaults(call=_measure)


def _add_runs(parser: argparse.ArgumentParser, default: str) -> None:
    add_study(parser)
    parser.add_argument(
        "runs", nargs="*", type=run_name, metavar="RUN", help=f"names of runs (default: {default})"
    )


def _add_reestimate(commands: Commands) -> None:
    reestimate = commands.add_parser(
        "reestimate",
        help="what BatchNorm statistics of the target gain, without training",
        description="A BatchNorm layer normalises by means and variances that it estimated while "
        "it was trained; a frozen one brings those of another task along. Estimate them anew on "
        "training images, without labels and without training, and write the test accuracy before "
        "and after to DIR/reestimation.csv. With --source the features of baseA itself are "
        "compared too, by a ridge probe (a linear classifier) after every block.",
    )
    _add_runs(reestimate, "all on all training images")
    reestimate.add_argument(
        "--images", type=whole(1), default=512, help="to estimate on (default: 512)"
    )
    reestimate.add_argument(
        "--source",
        help="baseA of the study: fractals, imagenet or a weight file (default: none is compared)",
    )
    add_data(reestimate)
    reestimate.set_defaults(call=_reestimate)


def _add_drive(commands: Commands) -> None:
    drive = commands.add_parser(
        "drive",
        help="let a network drive the simulated car on tracks it has not seen",
        description="Closed loop: the network presses the keys. Whenever the car leaves the tape "
        "it is put back on the centre line, which counts as an intervention. Adds the network's "
        "drives to DIR/driving.csv and films the first lap. Lengths are in half widths of the "
        "lane.",
    )
    drive.add_argument(
        "network",
        type=_network,
        metavar="NETWORK",
        help="DIR/RUN, an exported file, or for comparison: driver (the simulator's own), "
        "forward (never presses a key)",
    )
    drive.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    drive.add_argument(
        "--tracks", type=whole(1), default=8, metavar="N", help="to drive on (default: 8)"
    )
    drive.add_argument(
        "--seeds", default="0,1", help="each track is driven with each, e.g. 0-4 (default: 0,1)"
    )
    drive.add_argument("--laps", type=float, default=2, help="length of a drive (default: 2)")
    drive.add_argument("--no-film", action="store_true", help="do not write NETWORK.gif")
    drive.set_defaults(call=_drive)


def _network(text: str) -> Path:
    path = Path(text)
    return path if text in _PILOTS or path.suffix in _FILES else run_path(text)


def _export(options: argparse.Namespace) -> None:
    from transfer.deploy.export.runtimes import check_request

    try:
        check_request(options.out, options.format, options.int8)
    except TransferError as error:
        raise UsageError(str(error)) from error
    load_tensorflow()
    from transfer.deploy.export.write import export

    done = export(
        options.run, options.out, options.format, options.int8, options.data, options.reestimate
    )
    about = done.metadata
    say(
        f"{done.path}: {done.path.stat().st_size} bytes; beside it {done.sidecar.name}",
        f"test accuracy {about['test_accuracy']:.4f}, in Keras {about['keras_test_accuracy']:.4f}: "
        f"{-100 * done.accuracy_lost:+.2f} points; "
        f"largest difference of a probability {about['largest_difference']:.2g}",
    )
    if options.int8 and done.accuracy_lost > 0.02:
        say("warning: int8 loses more than 2 points of accuracy here", error=True)


def _measure(options: argparse.Namespace) -> None:
    from transfer.deploy.costs.table import FORMAT_LABELS

    formats = options.formats.split(",")
    if unknown := [name for name in formats if name not in FORMAT_LABELS]:
        raise UsageError(
            f"Expected --formats of {','.join(FORMAT_LABELS)}. Received: {unknown[0]!r}."
        )
    load_tensorflow()
    from transfer.deploy.costs.measure import measure

    frame = measure(options.study, options.runs or None, formats, options.data, options.calls)
    shown = ["run", "format", "file_bytes", "test_accuracy", "median_ms_1", "p95_ms_1"]
    say(frame[[*shown, "images_per_second_all", "network_bytes"]].to_string(index=False))


def _reestimate(options: argparse.Namespace) -> None:
    load_tensorflow()
    from transfer.answers.deployed import reestimation_in_words
    from transfer.deploy.reestimation.measure import measure_reestimation

    frame = measure_reestimation(
        options.study, options.runs or None, options.images, options.source, options.data
    )
    say(*reestimation_in_words(frame), f"Table: {options.study / 'reestimation.csv'}")


def _drive(options: argparse.Namespace) -> None:
    from transfer.studies.ask import ask

    seeds = ask("quick", seeds=options.seeds).seeds
    if not 0 < options.laps <= 1000:
        raise UsageError(f"Expected --laps above 0 and at most 1000. Received: {options.laps:g}.")
    if str(options.network) not in _PILOTS and options.network.suffix not in (".tflite", ".onnx"):
        load_tensorflow()
    from transfer.deploy.driving.drives import drive_network

    done = drive_network(
        options.network, options.out, options.tracks, seeds, options.laps, not options.no_film
    )
    say(
        f"{done.drives} drives, {done.distance:.0f} half widths, {done.interventions} "
        f"interventions, {done.clean_laps} laps without one",
        "{:.1f} half widths an intervention (95 %: {:.1f} to {:.1f})".format(
            *done.per_intervention
        ),
        "{:.2f} interventions a lap (95 %: {:.2f} to {:.2f})".format(*done.per_lap),
        "{:.3f} of the frames in the lane (95 %: {:.3f} to {:.3f})".format(*done.in_lane)
        + f", {done.offset:.2f} half widths off the centre line",
        f"Drives: {options.out / 'driving.csv'}",
    )
