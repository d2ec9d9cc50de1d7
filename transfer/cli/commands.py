"""What each command does: a thin call into the package. Nothing heavy is imported until needed."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from transfer.errors import TransferError, UsageError


def data_lanes(options: argparse.Namespace) -> None:
    from transfer.tasks.lanes.generate import generate

    generate(options.out, options.train, options.valid, options.test, options.seed)
    _print_check(options.out)


def data_download(options: argparse.Namespace) -> None:
    from transfer.tasks.download import DEFAULT_URL, download

    download(options.out, options.url or DEFAULT_URL)
    _print_check(options.out)


def data_import(options: argparse.Namespace) -> None:
    from transfer.tasks.imports.importers import detect_and_import, parse_size
    from transfer.tasks.imports.plan import CONTACT_SHEET

    height, width = parse_size(options.size)
    done = detect_and_import(
        options.src, options.out, group=options.group, height=height, width=width
    )
    for line in done.lines():
        print(line)
    print(f"Contact sheet: {options.out / CONTACT_SHEET}")


def data_check(options: argparse.Namespace) -> None:
    _print_check(options.data)


def _print_check(path: Path) -> None:
    from transfer.tasks.checks.check import check

    problems, summary = check(path)
    for line in summary:
        print(line)
    if problems:
        for problem in problems[:-1]:
            print(f"error: {problem}", file=sys.stderr)
        raise TransferError(problems[-1])


def study(options: argparse.Namespace) -> None:
    import contextlib

    from transfer.studies.ask import ask
    from transfer.studies.study import perform
    from transfer.studies.watch.tensorboard import following

    study = ask(
        options.preset,
        kinds=options.kinds,
        n=options.n,
        seeds=options.seeds,
        bn=options.bn,
        fractions=options.train_fraction,
        **_settings(options),
    )
    with following(options.out) if options.tensorboard else contextlib.nullcontext():
        perform(
            *(options.out, study, options.data, options.preset, options.workers),
            engine=options.engine,
            address=options.address,
        )
    _draw_and_tell(options.out)
    _conclude(options.out)


def run_one(options: argparse.Namespace) -> None:
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
    from transfer.answers.table import print_table
    from transfer.figures.draw import draw_figures, left_out
    from transfer.results import read_runs

    drawn = draw_figures(study_dir)
    for sentence in left_out(study_dir):
        print(f"note: {sentence}", file=sys.stderr)
    print_table(read_runs(study_dir))
    print(f"Results: {study_dir / 'runs.csv'}")
    for path in drawn:
        if path.suffix == ".png":
            print(f"Figure:  {path}")


def _conclude(study_dir: Path) -> None:
    """The verdict in words, and what to do next; commands on a line of their own, to be copied."""
    from transfer.answers.next_step import next_step
    from transfer.answers.verdict import verdict

    print("\nVerdict")
    _print_sentences(verdict(study_dir))
    print("\nNext step")
    _print_sentences(next_step(study_dir))


def _print_sentences(sentences: list[str]) -> None:
    import textwrap

    for sentence in sentences:
        if sentence.startswith("python -m "):
            print(f"  {sentence}")
        else:
            print(textwrap.fill(sentence, 88, subsequent_indent="  ", break_on_hyphens=False))


def figures(options: argparse.Namespace) -> None:
    from transfer.figures.draw import draw_figures, left_out, published_table

    for path in draw_figures(options.study, published_table() if options.published else None):
        print(path)
    for sentence in left_out(options.study):
        print(f"note: {sentence}", file=sys.stderr)


def verdict(options: argparse.Namespace) -> None:
    from transfer.answers.verdict import verdict

    if not 0 < options.margin < 1:
        raise UsageError(f"Expected --margin between 0 and 1. Received: {options.margin:g}.")
    _print_sentences(verdict(options.study, options.margin))


def report(options: argparse.Namespace) -> None:
    from transfer.report import write_report

    path, left_out = write_report(options.study, options.data)
    for sentence in left_out:
        print(f"note: {sentence}", file=sys.stderr)
    print(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def status(options: argparse.Namespace) -> None:
    from transfer.studies.watch.status import print_status, status

    print_status(status(options.study))


def scores(options: argparse.Namespace) -> None:
    import textwrap

    from transfer.scores.prediction import in_words
    from transfer.scores.record import committed_results, read_predictions
    from transfer.scores.representation import batch_size, feature_function
    from transfer.scores.table import measure_scores, print_scores, read_inputs, write_scores
    from transfer.studies.ask import ask

    asked = ask("quick", source=options.source, alpha=options.alpha, input=options.input)
    data, architecture, weights, classifier = read_inputs(
        options.data, asked.source, asked.alpha, asked.input_size
    )
    load_tensorflow()
    features = feature_function(
        architecture, weights, "positions" if options.positions else "pooled"
    )
    scores = measure_scores(data, features, classifier, batch_size(architecture))
    path = write_scores(options.out, scores)
    print_scores(scores)
    results = committed_results()
    for sentence in in_words(scores, read_predictions(results) if results else None):
        print(textwrap.fill(sentence, 88, subsequent_indent="  ", break_on_hyphens=False))
    print(f"Scores: {path}")


def bench(options: argparse.Namespace) -> None:
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


def load_tensorflow() -> None:
    """With the kernels the workers of a study use, and without its greetings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from transfer.progress import quietly

    with quietly():
        import tensorflow

        tensorflow.zeros(1)
