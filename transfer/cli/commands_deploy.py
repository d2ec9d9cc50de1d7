"""What the commands do that take networks away from a study; nothing heavy until needed."""

import argparse
import sys

from transfer.cli.commands import load_tensorflow
from transfer.errors import UsageError


def export(options: argparse.Namespace) -> None:
    from transfer.deploy.export.runtimes import check_request

    check_request(options.out, options.format, options.int8)
    if options.reestimate < 0:
        raise UsageError(f"Expected --reestimate of 0 or more. Received: {options.reestimate}.")
    load_tensorflow()
    from transfer.deploy.export.write import export

    done = export(
        options.run, options.out, options.format, options.int8, options.data, options.reestimate
    )
    found = done.metadata
    print(f"{done.path}: {done.path.stat().st_size} bytes; beside it {done.sidecar.name}")
    print(
        f"test accuracy {found['test_accuracy']:.4f}, in Keras {found['keras_test_accuracy']:.4f}: "
        f"{-100 * done.accuracy_lost:+.2f} points; "
        f"largest difference of a probability {found['largest_difference']:.2g}"
    )
    if options.int8 and done.accuracy_lost > 0.02:
        print("warning: int8 loses more than 2 points of accuracy here", file=sys.stderr)


def drive(options: argparse.Namespace) -> None:
    from transfer.studies.ask import ask

    seeds = ask("quick", seeds=options.seeds).seeds
    if options.network.suffix not in (".tflite", ".onnx") and str(options.network) not in (
        "driver",
        "forward",
    ):
        load_tensorflow()
    from transfer.deploy.driving.drives import drive_network

    done = drive_network(
        options.network, options.out, options.tracks, seeds, options.laps, not options.no_film
    )
    print(
        f"{done.drives} drives, {done.distance:.0f} half widths, {done.interventions} "
        f"interventions, {done.clean_laps} laps without one"
    )
    line = "{:.1f} half widths an intervention (95 %: {:.1f} to {:.1f})"
    print(line.format(*done.per_intervention))
    print("{:.2f} interventions a lap (95 %: {:.2f} to {:.2f})".format(*done.per_lap))
    line = "{:.3f} of the frames in the lane (95 %: {:.3f} to {:.3f})"
    print(line.format(*done.in_lane) + f", {done.offset:.2f} half widths off the centre line")
    print(f"Drives: {options.out / 'driving.csv'}")


def measure(options: argparse.Namespace) -> None:
    load_tensorflow()
    from transfer.deploy.costs.measure import measure

    formats = options.formats.split(",")
    frame = measure(options.study, options.runs or None, formats, options.data, options.calls)
    shown = ["run", "format", "file_bytes", "test_accuracy", "median_ms_1", "p95_ms_1"]
    print(frame[[*shown, "images_per_second_all", "network_bytes"]].to_string(index=False))


def reestimate(options: argparse.Namespace) -> None:
    load_tensorflow()
    from transfer.deploy.reestimation.measure import measure_reestimation
    from transfer.deploy.reestimation.table import reestimation_in_words

    frame = measure_reestimation(
        options.study, options.runs or None, options.images, options.source, options.data
    )
    for sentence in reestimation_in_words(frame):
        print(sentence)
    print(f"Table: {options.study / 'reestimation.csv'}")
