"""The figure of the three BatchNorm semantics: what a frozen layer normalises by decides AnB."""

import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures.style import (
    COLUMN,
    METRIC_NAME,
    SEMANTICS,
    draw_against_n,
    draw_bases,
    draw_published,
    interval_note,
    label_blocks,
    legend_below,
    set_title,
    styled,
)
from transfer.results import on_all_images
from transfer.runs import BLOCKS


@styled
def bn_semantics(
    runs: pd.DataFrame, title: str = "", published: pd.DataFrame | None = None
) -> Figure:
    """AnB against n under each semantics of a frozen BatchNorm, baseB as a line.

    Arguments and intervals as in `accuracy_against_n`.

    Raises
    ------
    TransferError
        If AnB was run under fewer than two semantics.
    """
    runs = on_all_images(runs)
    runs = runs[runs["kind"].isin(["baseB", "AnB"])]
    frozen = runs[runs["kind"] == "AnB"]
    if frozen["bn"].nunique() < 2:
        raise TransferError("Expected AnB under two semantics of BatchNorm or more to draw.")
    figure = Figure(figsize=(COLUMN, 2.7))
    axes = figure.add_subplot()
    draw_bases(axes, runs)
    for place, (bn, look) in enumerate(SEMANTICS.items()):
        if (frozen["bn"] == bn).any():
            label = f"AnB, {look.label}"
            draw_against_n(axes, frozen[frozen["bn"] == bn], look, label, 0.1 * place)
    draw_published(axes, published, "AnB", "AnB, published (hollow)")
    label_blocks(axes, BLOCKS)
    axes.set_ylabel(METRIC_NAME)
    set_title(figure, title, interval_note(runs))
    legend_below(figure)
    return figure
