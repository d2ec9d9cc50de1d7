"""AnB under the three semantics of a frozen BatchNorm, which differ in what it normalises by."""

import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style
from transfer.results import on_all_images
from transfer.runs import BLOCKS


@style.styled
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
    figure = Figure(figsize=(style.COLUMN, 2.7))
    axes = figure.add_subplot()
    style.draw_bases(axes, runs)
    for place, (bn, look) in enumerate(style.SEMANTICS.items()):
        if (frozen["bn"] == bn).any():
            label = f"AnB, {look.label}"
            style.draw_against_n(axes, frozen[frozen["bn"] == bn], look, label, 0.1 * place)
    style.draw_published(axes, published, "AnB", "AnB, published (hollow)")
    style.label_blocks(axes, BLOCKS)
    axes.set_ylabel(style.METRIC_NAME)
    style.set_title(figure, title, style.interval_note(runs))
    style.legend_below(figure)
    return figure
