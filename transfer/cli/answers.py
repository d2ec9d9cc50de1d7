"""``verdict``, ``figures``, ``report``, ``scores``, ``blocks``: what studies and networks show."""

import argparse
import dataclasses
import json
from pathlib import Path

from transfer.cli.arguments import (
    ALPHA,
    BACKBONE,
    DATA_OF_STUDY,
    INPUT,
    NETWORK,
    OUT,
    STUDY,
    load_tensorflow,
    note,
    option,
    options,
)
from transfer.errors import UsageError
from transfer.files import write_atomically
from transfer.program import say, wrapped

_BESIDE = option(
    "--beside",
    type=Path,
    nargs="+",
    default=[],
    metavar="DIR",
    help="other measured studies of the same data set, e.g. of a smaller --alpha: their exported "
    "files enter the choice for a device (default: none)",
)


@options(
    STUDY,
    _BESIDE,
    option(
        "--margin",
        type=float,
        metavar="POINTS",
        help="points of accuracy that a network may lose and still count as good (default: 1, or "
        "that of --until-decided)",
    ),
    option(
        "--metric",
        choices=("balanced", "accuracy"),
        default="balanced",
        help="balanced: the mean over classes of the share of images found (default); accuracy: "
        "the share of all images",
    ),
    option("--json", action="store_true", help="all of it as JSON, for programs"),
)
def verdict(given: argparse.Namespace) -> None:
    """Say what a study shows, with the numbers behind it.

    Where the network can be cut, how many blocks can stay frozen, what that saves, and what speaks
    against it.
    """
    from transfer.answers.answer import answer

    if given.margin is not None and not 0.1 <= given.margin <= 50:
        raise UsageError(
            "Expected --margin in points of accuracy, from 0.1 to 50 (1 is one point). "
            f"Received: {given.margin:g}."
        )
    margin = None if given.margin is None else given.margin / 100
    result = answer(given.study, margin, given.metric, given.beside)
    say(json.dumps(dataclasses.asdict(result), indent=1) if given.json else str(result))


@options(
    STUDY,
    _BESIDE,
    option("--published", action="store_true", help="add the published accuracies, hollow"),
)
def figures(given: argparse.Namespace) -> None:
    """Redraw every figure of a study, PNG and SVG, from its tables alone, into DIR/figures."""
    from transfer.figures.draw import draw_figures, left_out, published_table

    published = published_table() if given.published else None
    say(*(str(path) for path in draw_figures(given.study, published, given.beside)))
    note(left_out(given.study))


@options(STUDY, _BESIDE, DATA_OF_STUDY)
def report(given: argparse.Namespace) -> None:
    """Write DIR/report.html: the whole study on one interactive page, to share."""
    from transfer.report.write import write_report

    path, left_out = write_report(given.study, given.data, given.beside)
    note(left_out)
    say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB)")


@options(
    option("--data", type=Path, required=True, metavar="DIR", help="a data set"),
    *NETWORK,
    option(
        "--positions",
        action="store_true",
        help="also take every position of a block's output as a sample, where a score allows it",
    ),
    OUT,
)
def scores(given: argparse.Namespace) -> None:
    """Score how well every block's features serve a data set, without training.

    One pass over the training images scores the features after the stem (the first convolution)
    and after every block of baseA: LogME, H-score, TransRate and class separation from the
    literature on transferability; a ridge probe (a linear classifier) and the nearest centroid by
    their accuracy on the validation images; LEEP and NCE where the source has a classifier. More
    is better in all of them. Written to DIR/scores.csv.
    """
    from transfer.scores.measure import measure_scores, read_inputs
    from transfer.scores.prediction import in_words
    from transfer.scores.representation import batch_size, feature_function
    from transfer.scores.table import print_scores, write_scores
    from transfer.studies.ask import ask

    names = ("source", "backbone", "alpha", "input")
    asked = ask("quick", **{name: getattr(given, name) for name in names})
    data, architecture, weights, classifier = read_inputs(
        given.data, asked.source, asked.alpha, asked.input_size, asked.backbone
    )
    load_tensorflow()
    features = feature_function(architecture, weights, "positions" if given.positions else "pooled")
    table = measure_scores(data, features, classifier, batch_size(architecture))
    path = write_scores(given.out, table)
    print_scores(table)
    say(*wrapped(in_words(table)))
    say(f"Scores: {path}")


@options(
    BACKBONE,
    ALPHA,
    INPUT,
    option("--csv", type=Path, metavar="FILE", help="write the table here too"),
)
def blocks(given: argparse.Namespace) -> None:
    """Show where a backbone can be cut: its blocks, and what each costs.

    n = 0 is the stem. The columns up to n say which share of the backbone's parameters and
    multiply-adds lies in the stem and the first n blocks.
    """
    from transfer.studies.ask import ask

    asked = ask("quick", backbone=given.backbone, alpha=given.alpha, input=given.input)
    load_tensorflow()
    from rich.console import Console
    from rich.table import Table

    from transfer.networks.architecture import cuts_table

    table = cuts_table(asked.backbone, asked.alpha, asked.input_size)
    printed = Table(box=None, pad_edge=False)
    names = "n,layer,channels,stride,parameters,up to n,multiply-adds,up to n"
    for name in names.split(","):
        printed.add_column(name, justify="left" if name == "layer" else "right")
    for cut in table.itertuples():
        printed.add_row(
            *(str(cut.n), str(cut.layer), str(cut.channels), str(cut.stride)),
            *(f"{cut.parameters:,}", f"{cut.parameters_up_to:.1%}"),
            *(f"{cut.multiply_adds:,}", f"{cut.multiply_adds_up_to:.1%}"),
        )
    console = Console()
    console.width = max(console.width, 100)  # so that names of layers are whole
    console.print(printed)
    if given.csv:
        write_atomically(given.csv, table.to_csv(index=False))
        say(f"Table: {given.csv}")
