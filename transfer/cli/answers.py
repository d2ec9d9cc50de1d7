"""``verdict``, ``figures``, ``report`` and ``scores``: what a study or a source network shows."""

import argparse
from pathlib import Path

from transfer.cli.arguments import (
    Commands,
    add_data,
    add_network,
    add_study,
    load_tensorflow,
    note,
    print_sentences,
)
from transfer.errors import UsageError
from transfer.program import say


def add_commands(commands: Commands) -> None:
    """Add the four commands."""
    verdict = commands.add_parser(
        "verdict",
        help="the answer in words, with the numbers behind it",
        description="Say how many blocks are general, where the network can be cut, and whether "
        "a start from baseA helps, each with its numbers and never more than they allow.",
    )
    add_study(verdict)
    _add_beside(verdict)
    verdict.add_argument(
        "--margin",
        type=float,
        default=0.01,
        help="how much worse than baseB counts as equal (default: 0.01, one point)",
    )
    verdict.set_defaults(call=_verdict)
    figures = commands.add_parser(
        "figures",
        help="redraw every figure of a study from its tables",
        description="Draw DIR/figures anew, PNG and SVG, from the tables of the study alone.",
    )
    add_study(figures)
    _add_beside(figures)
    text = "add the published accuracies as hollow markers"
    figures.add_argument("--published", action="store_true", help=text)
    figures.set_defaults(call=_figures)
    report = commands.add_parser(
        "report",
        help="DIR/report.html: the whole study on one interactive page, to share",
        description="Write DIR/report.html: one file that opens in any browser, from disk.",
    )
    add_study(report)
    _add_beside(report)
    add_data(report)
    report.set_defaults(call=_report)
    _add_scores(commands)


def _add_beside(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="other measured studies of the same data set, e.g. of a smaller --alpha: their "
        "exported files enter the choice for a device (default: none)",
    )


def _add_scores(commands: Commands) -> None:
    scores = commands.add_parser(
        "scores",
        help="score how well every block's features serve a data set, without training",
        description="One pass over the training images scores the features after the stem (the "
        "first convolution) and after every block of baseA: LogME, H-score, TransRate and class "
        "separation from the literature on transferability; a ridge probe (a linear classifier) "
        "and the nearest centroid by their accuracy on the validation images; LEEP and NCE where "
        "the source has a classifier. More is better in all of them.",
    )
    scores.add_argument("--data", type=Path, required=True, metavar="DIR", help="a data set")
    add_network(scores)
    scores.add_argument(
        "--positions",
        action="store_true",
        help="also take every position of a block's output as a sample, where a score allows it",
    )
    scores.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for scores.csv"
    )
    scores.set_defaults(call=_scores)


def _verdict(options: argparse.Namespace) -> None:
    from transfer.answers.verdict import verdict

    if not 0 < options.margin < 1:
        raise UsageError(f"Expected --margin between 0 and 1. Received: {options.margin:g}.")
    print_sentences(verdict(options.study, options.margin, options.beside))


def _figures(options: argparse.Namespace) -> None:
    from transfer.figures.draw import draw_figures, left_out, published_table

    published = published_table() if options.published else None
    say(*(str(path) for path in draw_figures(options.study, published, options.beside)))
    note(left_out(options.study))


def _report(options: argparse.Namespace) -> None:
    from transfer.report import write_report

    path, left_out = write_report(options.study, options.data, options.beside)
    note(left_out)
    say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _scores(options: argparse.Namespace) -> None:
    from transfer.scores.measure import measure_scores, read_inputs
    from transfer.scores.prediction import in_words
    from transfer.scores.record import committed_results, read_predictions
    from transfer.scores.representation import batch_size, feature_function
    from transfer.scores.table import print_scores, write_scores
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
    print_sentences(in_words(scores, read_predictions(results) if results else None))
    say(f"Scores: {path}")
