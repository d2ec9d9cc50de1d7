"""Commands that take a network away from its study: export, predict, measure, reestimate, drive."""

import argparse
from pathlib import Path

from transfer.cli.arguments import (
    DATA_OF_STUDY,
    OUT,
    STUDY,
    load_tensorflow,
    option,
    options,
    run_name,
    run_path,
    whole,
)
from transfer.errors import TransferError, UsageError
from transfer.program import how_to_install, say

_NEEDS = f"litert and onnx need: {how_to_install('export')}"
_PILOTS = ("driver", "forward")


def _network(text: str) -> Path:
    path = Path(text)
    return path if path.suffix in (".keras", ".tflite", ".onnx") else run_path(text)


@options(
    option("run", type=run_path, metavar="DIR/RUN", help="a run, e.g. .../quick/sliced-7_s0"),
    option("--out", type=Path, required=True, metavar="FILE", help="file to write"),
    option(
        "--format",
        choices=("keras", "litert", "onnx"),
        help=f"format of FILE (default: by its suffix, .keras, .tflite or .onnx); {_NEEDS}",
    ),
    option(
        "--int8",
        action="store_true",
        help="weights and activations in whole numbers of 8 bits (litert; default: float32)",
    ),
    option(
        "--reestimate",
        type=whole(0),
        default=0,
        metavar="N",
        help="first compute the BatchNorm statistics (the means and variances by which layers "
        "normalise) anew on N training images, without labels; a few hundred do. What that gains: "
        "the command reestimate (default: 0, as trained)",
    ),
    DATA_OF_STUDY,
)
def export(given: argparse.Namespace) -> None:
    """Write a network to a file for a device: Keras, LiteRT or ONNX.

    The file takes camera frames (uint8, RGB) and returns probabilities. It is run on the whole
    test set before it is put in place.
    """
    from transfer.deploy.export.runtimes import check_request

    try:
        check_request(given.out, given.format, given.int8)
    except TransferError as error:
        raise UsageError(str(error)) from error
    load_tensorflow()
    from transfer.deploy.export.write import export

    done = export(given.run, given.out, given.format, given.int8, given.data, given.reestimate)
    about = done.metadata
    say(
        f"{done.path}: {done.path.stat().st_size} bytes; beside it {done.sidecar.name}",
        f"test accuracy {about['test_accuracy']:.4f}, in Keras {about['keras_test_accuracy']:.4f}: "
        f"{-100 * done.accuracy_lost:+.2f} points; "
        f"largest difference of a probability {about['largest_difference']:.2g}",
    )
    if given.int8 and done.accuracy_lost > 0.02:
        say("warning: int8 loses more than 2 points of accuracy here", error=True)


@options(
    option(
        "network",
        type=_network,
        metavar="RUN_OR_FILE",
        help="a run, DIR/RUN, or an exported .keras, .tflite or .onnx file",
    ),
    option(
        "images",
        type=Path,
        metavar="IMAGES",
        help="an image, a folder of images, or a data set, of which the test images are taken",
    ),
    option("--out", type=Path, required=True, metavar="FILE.csv", help="table to write"),
    DATA_OF_STUDY,
)
def predict(given: argparse.Namespace) -> None:
    """Classify images with a run or an exported file.

    Writes one row an image: its file (of a data set its index too), the predicted class and the
    probability of each class. Images are read as `data import` reads them; what cannot be read is
    left out and listed. The class of an image is known in a data set, and below a folder named as
    the class; then accuracy is told, and balanced accuracy: the mean over classes.
    """
    if given.out.suffix != ".csv":
        raise UsageError(f"Expected --out to end in .csv. Received: {given.out}.")
    if given.network.suffix not in (".tflite", ".onnx"):
        load_tensorflow()
    from transfer.deploy.predict import predict

    done = predict(given.network, given.images, given.out, given.data)
    say(*(f"left out: {name}: {reason}" for name, reason in done.left_out), error=True)
    say(*done.lines(), f"Predictions: {given.out}")


@options(
    STUDY,
    option("runs", nargs="*", type=run_name, metavar="RUN", help="runs (default: all finished)"),
    option(
        "--formats",
        default="keras,litert,litert-int8,onnx",
        help=f"formats (default: %(default)s); {_NEEDS}",
    ),
    option(
        "--calls",
        type=whole(200),
        default=200,
        help="calls with one frame, for the median latency and its 95th percentile (default: 200)",
    ),
    DATA_OF_STUDY,
)
def measure(given: argparse.Namespace) -> None:
    """Measure what networks cost on a device, in several formats.

    Export runs of a study, run each file by its runtime and write size, memory, latency,
    throughput and accuracy to DIR/deploy.csv, one row a run and format. Times are worth comparing
    only if the machine is idle.
    """
    from transfer.deploy.costs.table import FORMAT_LABELS

    formats = given.formats.split(",")
    if unknown := [name for name in formats if name not in FORMAT_LABELS]:
        raise UsageError(
            f"Expected --formats of {','.join(FORMAT_LABELS)}. Received: {unknown[0]!r}."
        )
    load_tensorflow()
    from transfer.deploy.costs.measure import measure

    table = measure(given.study, given.runs or None, formats, given.data, given.calls)
    shown = ["run", "format", "file_bytes", "test_accuracy", "median_ms_1", "p95_ms_1"]
    say(table[[*shown, "images_per_second_all", "network_bytes"]].to_string(index=False))


@options(
    STUDY,
    option(
        "runs", nargs="*", type=run_name, metavar="RUN", help="runs (default: those on all images)"
    ),
    option("--images", type=whole(1), default=512, help="training images (default: 512)"),
    option(
        "--source",
        help="baseA of the study: fractals, imagenet or a weight file (default: none is compared)",
    ),
    DATA_OF_STUDY,
)
def reestimate(given: argparse.Namespace) -> None:
    """Measure what BatchNorm statistics of the target gain, without training.

    A BatchNorm layer normalises by means and variances that it estimated while it was trained; a
    frozen one brings those of another task along. They are estimated anew on training images,
    without labels, and the test accuracy before and after is written to DIR/reestimation.csv.
    With --source the features of baseA itself are compared too, by a ridge probe (a linear
    classifier) after every block.
    """
    load_tensorflow()
    from transfer.answers.deployed import reestimation_in_words
    from transfer.deploy.reestimation.measure import measure_reestimation

    table = measure_reestimation(
        given.study, given.runs or None, given.images, given.source, given.data
    )
    say(*reestimation_in_words(table), f"Table: {given.study / 'reestimation.csv'}")


@options(
    option(
        "network",
        type=lambda text: Path(text) if text in _PILOTS else _network(text),
        metavar="NETWORK",
        help="DIR/RUN, an exported file, or for comparison: driver (the simulator's own), "
        "forward (never presses a key)",
    ),
    OUT,
    option("--tracks", type=whole(1), default=8, metavar="N", help="number of tracks (default: 8)"),
    option(
        "--seeds", default="0,1", help="seeds each track is driven with, e.g. 0-4 (default: 0,1)"
    ),
    option("--laps", type=float, default=2, help="length of a drive (default: 2)"),
    option("--no-film", action="store_true", help="do not write NETWORK.gif"),
)
def drive(given: argparse.Namespace) -> None:
    """Let a network drive the simulated car on tracks it has not seen.

    Closed loop: the network presses the keys. Whenever the car leaves the tape it is put back on
    the centre line, which counts as an intervention. Adds the network's drives to DIR/driving.csv
    and films the first lap. Lengths are in half widths of the lane.
    """
    from transfer.studies.ask import ask

    seeds = ask("quick", seeds=given.seeds).seeds
    if not 0 < given.laps <= 1000:
        raise UsageError(f"Expected --laps above 0 and at most 1000. Received: {given.laps:g}.")
    if str(given.network) not in _PILOTS and given.network.suffix not in (".tflite", ".onnx"):
        load_tensorflow()
    from transfer.deploy.driving.drives import drive_network

    done = drive_network(
        given.network, given.out, given.tracks, seeds, given.laps, not given.no_film
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
        f"Drives: {given.out / 'driving.csv'}",
    )
