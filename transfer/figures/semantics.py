"""Frozen blocks under the three semantics of BatchNorm, which differ in what it normalises by."""

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

    Where BnB was run under several semantics too, it has a panel beside AnB: the control, whose
    frozen statistics come from the target itself. Arguments and intervals as in
    `accuracy_against_n`.

    Raises `TransferError` if AnB was run under fewer than two semantics.
    """
    runs = on_all_images(runs)
    runs = runs[runs["kind"].isin(["baseB", "AnB", "BnB"])]
    semantics = runs.groupby("kind")["bn"].nunique()
    if semantics.get("AnB", 0) < 2:
        raise TransferError("Expected AnB under two semantics of BatchNorm or more to draw.")
    panels = ["AnB", "BnB"] if semantics.get("BnB", 0) > 1 else ["AnB"]
    figure = Figure(figsize=(style.COLUMN * (1.0 if len(panels) == 1 else 2.0), 2.7))
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, kind in zip(all_axes, panels, strict=True):
        first = axes is all_axes[0]
        style.draw_bases(axes, runs, in_legend=first)
        frozen = runs[runs["kind"] == kind]
        for place, (bn, look) in enumerate(style.SEMANTICS.items()):
            if (frozen["bn"] == bn).any():
                label = f"frozen BatchNorm: {look.label}" if first else f"_{kind} {bn}"
                style.draw_against_n(axes, frozen[frozen["bn"] == bn], look, label, 0.1 * place)
        label = "published (hollow)" if first else ""
        style.draw_published(axes, published, kind, label)
        style.label_blocks(axes, BLOCKS)
        if len(panels) > 1:
            axes.set_title(style.KINDS[kind].label)
    all_axes[0].set_ylabel(style.METRIC_NAME)
    style.set_title(figure, title, style.interval_note(runs))
    style.legend_below(figure, columns=1 if len(panels) == 1 else 2)
    return figure
