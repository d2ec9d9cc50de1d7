"""The main figure: test accuracy against n."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures.style import (
    COLUMN,
    HOLLOW,
    KIND_LABELS,
    KIND_STYLE,
    RC,
    draw_against_n,
    draw_base,
    draw_published,
    interval_note,
    label_blocks,
    legend_below,
    set_title,
)
from transfer.runs import BLOCKS, FROZEN_KINDS

_KINDS_A_PANEL = 4


def accuracy_against_n(
    runs: pd.DataFrame, title: str = "", published: pd.DataFrame | None = None
) -> Figure:
    """Test accuracy against the number of blocks n: one colour a kind, baseB as a line.

    Parameters
    ----------
    runs : pandas.DataFrame
        As from `read_runs`; drawn are runs on all training images, with ``inference`` BatchNorm.
    title : str
    published : pandas.DataFrame or None
        As from `read_published`: hollow grey markers.

    Returns
    -------
    matplotlib.figure.Figure
        With 95 % intervals: bars for one seed, bands over seeds for several. More than four kinds
        are drawn in two panels, frozen above and all trained below, each with its own scale of
        accuracy: frozen networks fall so low that the differences of the others would vanish.

    Raises
    ------
    TransferError
        If there is no run to draw.
    """
    runs = runs[(runs["fraction"] == 1.0) & runs["bn"].isin(["", "inference"])]
    if runs.empty:
        raise TransferError("Expected at least one finished run to draw. There is none yet.")
    drawn = [kind for kind in KIND_STYLE if (runs["kind"] == kind).any()]
    panels = {"": drawn}
    if len(drawn) > _KINDS_A_PANEL:
        panels = {
            "blocks frozen": [kind for kind in drawn if kind in FROZEN_KINDS],
            "all trained (own scale)": [kind for kind in drawn if kind not in FROZEN_KINDS],
        }
    with mpl.rc_context(RC):
        height = (1.9 if len(panels) > 1 else 2.3) * len(panels) + 0.14 * (len(drawn) // 2 + 3)
        figure = Figure(figsize=(COLUMN, height), dpi=200, layout="constrained")
        axes_of_panels = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        hollow = False
        for axes, (name, kinds) in zip(axes_of_panels, panels.items(), strict=True):
            first = axes is axes_of_panels[0]
            for base in ("baseB", "baseB+"):
                draw_base(axes, runs, base, label=base if first else f"_{base}")
            for number, kind in enumerate(kinds):
                colour, marker = KIND_STYLE[kind]
                shift = 0.1 * (number - (len(kinds) - 1) / 2)
                of_kind = runs[runs["kind"] == kind]
                draw_against_n(axes, of_kind, colour, marker, KIND_LABELS[kind], "-", shift)
                hollow |= draw_published(axes, published, kind, marker)
            label_blocks(axes, BLOCKS)
            axes.set_title(name, fontsize=7.5)
            axes.set_ylabel("test accuracy")
        if hollow:  # one entry in the legend, at its end
            axes_of_panels[-1].plot([], [], "o", **HOLLOW, label="published (hollow)")
        note = interval_note(runs)
        set_title(figure, title, note)
        legend_below(figure)
    return figure
