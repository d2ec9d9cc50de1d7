"""The figure of the three BatchNorm semantics: what a frozen layer normalises by decides AnB."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures.style import (
    COLUMN,
    RC,
    draw_against_n,
    draw_base,
    draw_published,
    interval_note,
    label_blocks,
    legend_below,
    set_title,
)
from transfer.runs import BLOCKS

#: Colour, marker, dash and what is drawn, by semantics.
_STYLE = {
    "inference": ("#D55E00", "s", "-", "inference (Keras 3)"),
    "adapt": ("#0072B2", "o", ":", "adapt (PyTorch)"),
    "legacy": ("#000000", "x", "--", "legacy (Keras 2.1.3-2.3.1)"),
}


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
    runs = runs[runs["fraction"] == 1.0]
    frozen = runs[runs["kind"] == "AnB"]
    if frozen["bn"].nunique() < 2:
        raise TransferError("Expected AnB under two semantics of BatchNorm or more to draw.")
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 2.7), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        draw_base(axes, runs)
        for place, (bn, (colour, marker, dash, label)) in enumerate(_STYLE.items()):
            of_bn = frozen[frozen["bn"] == bn]
            if not of_bn.empty:
                draw_against_n(axes, of_bn, colour, marker, f"AnB, {label}", dash, 0.1 * place)
        draw_published(axes, published, "AnB", "s", "AnB, published (hollow)")
        label_blocks(axes, BLOCKS)
        axes.set_ylabel("test accuracy")
        note = interval_note(pd.concat([frozen, runs[runs["kind"] == "baseB"]]))
        set_title(figure, title, note)
        legend_below(figure)
    return figure
