"""The command line: parses, calls, prints. Nothing heavy is imported until it is needed."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

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
  python -m transfer figures experiments-results/quick
      draw every figure again from the CSVs

names of networks:
  baseB   random start          BnB  first n blocks from baseB, frozen (selffer)
  baseB+  started from baseA    AnB  first n blocks from baseA, frozen (transfer)
  AnB+    as AnB, not frozen    sliced-n  baseA cut after block n, fine-tuned

exit codes: 0 done, 1 input or data at fault, 2 command line at fault, 130 interrupted
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
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(commands)
    _add_study(commands)
    figures = commands.add_parser("figures", help="redraw every figure from the CSVs")
    figures.add_argument("study", type=Path, metavar="DIR")
    figures.add_argument(
        "--published",
        action="store_true",
        help="add the published accuracies as hollow markers",
    )
    figures.set_defaults(call=_figures)
    verdict = commands.add_parser("verdict", help="the answer in words, with the numbers behind it")
    verdict.add_argument("study", type=Path, metavar="DIR")
    verdict.add_argument(
        "--margin",
        type=float,
        default=0.01,
        help="how much worse than baseB counts as equal (default: 0.01, one point)",
    )
    verdict.set_defaults(call=_verdict)
    _add_scores(commands)
    bench = commands.add_parser("bench", help="images a second, ours and others' side by side")
    bench.add_argument("--threads", default="1,2", help="e.g. 1,2 (default)")
    bench.add_argument("--repetitions", type=int, default=5, help="turns (default: 5)")
    bench.add_argument("--seconds", type=float, default=5, help="of a measurement (default: 5)")
    bench.set_defaults(call=_bench)
    _add_export(commands)
    _add_drive(commands)
    return parser


def _add_data(commands: "argparse._SubParsersAction[_Parser]") -> None:
    data = commands.add_parser("data", help="simulate, download, import or check a data set")
    kinds = data.add_subparsers(dest="data_command", required=True, metavar="WHAT")
    lanes = kinds.add_parser("lanes", help="simulate drives with a frontal camera")
    lanes.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    for split, images in (("train", 6000), ("valid", 1500), ("test", 2000)):
        lanes.add_argument(
            f"--{split}", type=int, default=images, metavar="N", help=f"images (default: {images})"
        )
    lanes.add_argument("--seed", type=int, default=0, help="other drives (default: 0)")
    lanes.set_defaults(call=_data_lanes)
    download = kinds.add_parser("download", help="the published arrays: a tar of .npy files")
    download.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    download.add_argument("--url", help="a mirror (default: the authors' address)")
    download.set_defaults(call=_data_download)
    importer = kinds.add_parser(
        "import",
        help="a Donkeycar tub, a recording of Udacity's simulator, or folders of images",
        description="Bring foreign images into the layout of a data set. SRC is recognised by what "
        "it holds: a Donkeycar tub, version 1 or 2 (manifest.json or record_*.json); a recording "
        "of Udacity's simulator (driving_log.csv and IMG); or .jpg and .png images in "
        "SRC/CLASS, or in SRC/train/CLASS, SRC/valid/CLASS and SRC/test/CLASS. Drives are split by "
        "blocks of time, unsplit folders by the order of file names, never at random by frame.",
    )
    importer.add_argument("src", type=Path, metavar="SRC", help="folder to import")
    importer.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    importer.add_argument(
        "--size", metavar="HxW", default="45x80", help="size images are resized to (default: 45x80)"
    )
    importer.set_defaults(call=_data_import)
    check = kinds.add_parser("check", help="layout, class shares, leakage")
    check.add_argument("data", type=Path, metavar="DIR")
    check.set_defaults(call=_data_check)


def _add_study(commands: "argparse._SubParsersAction[_Parser]") -> None:
    study = commands.add_parser(
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
    study.set_defaults(call=_study)
    run = commands.add_parser("run", help="train one network by its name, e.g. A3B+_s1")
    run.add_argument("name", metavar="NAME")
    _add_settings(run)
    run.set_defaults(call=_run, preset="quick")


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
        "the learning rate, 3 epochs, at least as accurate (benchmarks/results/protocols.csv)",
    )
    parser.add_argument("--epochs", type=int, help="at most this many")
    parser.add_argument("--batch", type=int, help="images a step")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")


def _add_scores(commands: "argparse._SubParsersAction[_Parser]") -> None:
    scores = commands.add_parser(
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
    scores.set_defaults(call=_scores)


def _add_export(commands: "argparse._SubParsersAction[_Parser]") -> None:
    export = commands.add_parser(
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
    export.add_argument("--data", type=Path, metavar="DIR", help="the study's data, if moved")
    export.set_defaults(call=_export)


def _add_drive(commands: "argparse._SubParsersAction[_Parser]") -> None:
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
    drive.set_defaults(call=_drive)


def _data_lanes(options: argparse.Namespace) -> None:
    from transfer.tasks.lanes import generate

    generate(options.out, options.train, options.valid, options.test, options.seed)
    _print_check(options.out)


def _data_download(options: argparse.Namespace) -> None:
    from transfer.tasks.download import DEFAULT_URL, download

    download(options.out, options.url or DEFAULT_URL)
    _print_check(options.out)


def _data_import(options: argparse.Namespace) -> None:
    from transfer.tasks.importers import detect_and_import, parse_size

    height, width = parse_size(options.size)
    for line in detect_and_import(options.src, options.out, height=height, width=width).lines():
        print(line)


def _data_check(options: argparse.Namespace) -> None:
    _print_check(options.data)


def _print_check(path: Path) -> None:
    from transfer.tasks.check import check

    problems, summary = check(path)
    for line in summary:
        print(line)
    if problems:
        for problem in problems[:-1]:
            print(f"error: {problem}", file=sys.stderr)
        raise TransferError(problems[-1])


def _study(options: argparse.Namespace) -> None:
    from transfer.studies.ask import ask
    from transfer.studies.study import perform

    study = ask(
        options.preset,
        kinds=options.kinds,
        n=options.n,
        seeds=options.seeds,
        bn=options.bn,
        fractions=options.train_fraction,
        **_settings(options),
    )
    perform(options.out, study, options.data, options.preset, options.workers)
    _draw_and_tell(options.out)


def _run(options: argparse.Namespace) -> None:
    from transfer.runs import parse_run
    from transfer.studies.ask import ask
    from transfer.studies.study import perform

    run = parse_run(options.name)
    study = ask(
        options.preset,
        kinds=run.kind,
        n=str(run.n or 0),
        seeds=str(run.seed),
        bn=run.bn or None,
        fractions=str(run.fraction),
        **_settings(options),
    )
    perform(options.out, study, options.data, options.preset, options.workers)
    _draw_and_tell(options.out)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = ("source", "alpha", "input", "protocol", "epochs", "batch")
    return {name: getattr(options, name) for name in names}


def _draw_and_tell(study_dir: Path) -> None:
    from transfer.answers.figures import draw_figures, left_out
    from transfer.answers.table import print_table
    from transfer.results import read_runs

    drawn = draw_figures(study_dir)
    for sentence in left_out(study_dir):
        print(f"note: {sentence}", file=sys.stderr)
    print_table(read_runs(study_dir))
    print(f"Results: {study_dir / 'runs.csv'}")
    for path in drawn:
        if path.suffix == ".png":
            print(f"Figure:  {path}")


def _figures(options: argparse.Namespace) -> None:
    from transfer.answers.figures import draw_figures, left_out, published_table

    for path in draw_figures(options.study, published_table() if options.published else None):
        print(path)
    for sentence in left_out(options.study):
        print(f"note: {sentence}", file=sys.stderr)


def _verdict(options: argparse.Namespace) -> None:
    import textwrap

    from transfer.answers.verdict import verdict

    if not 0 < options.margin < 1:
        raise UsageError(f"Expected --margin between 0 and 1. Received: {options.margin:g}.")
    for sentence in verdict(options.study, options.margin):
        print(textwrap.fill(sentence, 88, subsequent_indent="  ", break_on_hyphens=False))


def _scores(options: argparse.Namespace) -> None:
    from transfer.answers.representation import batch_size, feature_function
    from transfer.answers.score_table import measure_scores, print_scores, read_inputs, write_scores
    from transfer.studies.ask import ask

    asked = ask("quick", source=options.source, alpha=options.alpha, input=options.input)
    data, architecture, weights, classifier = read_inputs(
        options.data, asked.source, asked.alpha, asked.input_size
    )
    _load_tensorflow()
    features = feature_function(
        architecture, weights, "positions" if options.positions else "pooled"
    )
    scores = measure_scores(data, features, classifier, batch_size(architecture))
    path = write_scores(options.out, scores)
    print_scores(scores)
    print(f"Scores: {path}")


def _bench(options: argparse.Namespace) -> None:
    try:
        from benchmarks import steps
    except ModuleNotFoundError as error:
        raise TransferError(
            "Expected the folder benchmarks of the repository. Run make bench in a checkout."
        ) from error
    try:
        threads = [int(count) for count in options.threads.split(",")]
    except ValueError as error:
        raise UsageError(f"Expected --threads such as 1,2. Received: {options.threads}.") from error
    if min(threads) < 1 or options.repetitions < 1 or options.seconds <= 0:
        raise UsageError("Expected --threads, --repetitions and --seconds above 0.")
    steps.run(threads, options.repetitions, options.seconds)


def _export(options: argparse.Namespace) -> None:
    from transfer.deploy.runtimes import check_request

    check_request(options.out, options.format, options.int8)
    _load_tensorflow()
    from transfer.deploy.export import export

    done = export(options.run, options.out, options.format, options.int8, options.data)
    found = done.metadata
    print(f"{done.path}: {done.path.stat().st_size} bytes; beside it {done.sidecar.name}")
    print(
        f"test accuracy {found['test_accuracy']:.4f}, in Keras {found['keras_test_accuracy']:.4f}: "
        f"{-100 * done.accuracy_lost:+.2f} points; "
        f"largest difference of a probability {found['largest_difference']:.2g}"
    )
    if options.int8 and done.accuracy_lost > 0.02:
        print("warning: int8 loses more than 2 points of accuracy here", file=sys.stderr)


def _drive(options: argparse.Namespace) -> None:
    from transfer.studies.ask import ask

    seeds = ask("quick", seeds=options.seeds).seeds
    if options.network.suffix not in (".tflite", ".onnx") and str(options.network) not in (
        "driver",
        "forward",
    ):
        _load_tensorflow()
    from transfer.deploy.drives import drive_network

    done = drive_network(
        options.network, options.out, options.tracks, seeds, options.laps, not options.no_film
    )
    print(
        f"{done.drives} drives, {done.distance:.0f} half widths, {done.interventions} "
        f"interventions, {done.clean_laps} laps without one"
    )
    line = "{:.1f} half widths an intervention (95 %: {:.1f} to {:.1f})"
    print(line.format(*done.per_intervention))
    line = "{:.3f} of the frames in the lane (95 %: {:.3f} to {:.3f})"
    print(line.format(*done.in_lane) + f", {done.offset:.2f} half widths off the centre line")
    print(f"Drives: {options.out / 'driving.csv'}")


def _load_tensorflow() -> None:
    """With the kernels the workers of a study use, and without its greetings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from transfer.deploy.runtimes import quietly

    with quietly():
        import tensorflow

        tensorflow.zeros(1)


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
