"""The main figure: test accuracy against n."""

import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style
from transfer.results import as_keras_3, on_all_images
from transfer.runs import BLOCKS, FROZEN_KINDS

_KINDS_A_PANEL = 4


@style.styled
def accuracy_against_n(
    runs: pd.DataFrame,
    title: str = "",
    published: pd.DataFrame | None = None,
    baselines: pd.DataFrame | None = None,
) -> Figure:
    """Test accuracy against the number of blocks n: one colour a kind, baseB as a line.

    ``runs``: as from `read_runs`; drawn are runs on all training images, with ``inference``
    BatchNorm.
    ``published``: as from `read_published`: hollow markers.
    ``baselines``: as from `read_baselines`: grey lines.
    Returns with 95 % intervals: bars for one seed, bands over seeds for several. More than four
    kinds are drawn in two panels, frozen above and all trained below, each with its own scale of
    accuracy: frozen networks fall so low that the differences of the others would vanish.
    Raises `TransferError` if there is no run to draw.
    """
    runs = as_keras_3(on_all_images(runs))
    if runs.empty:
        raise TransferError("Expected at least one finished run to draw. There is none yet.")
    drawn = [kind for kind in style.KINDS if (runs["kind"] == kind).any()]
    panels = {"": drawn}
    if len(drawn) > _KINDS_A_PANEL:
        panels = {
            "blocks frozen": [kind for kind in drawn if kind in FROZEN_KINDS],
            "all trained (own scale)": [kind for kind in drawn if kind not in FROZEN_KINDS],
        }
    height = (1.9 if len(panels) > 1 else 2.3) * len(panels) + 0.14 * (len(drawn) // 2 + 3)
    figure = Figure(figsize=(style.COLUMN, height))
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    hollow = False
    for axes, (name, kinds) in zip(all_axes, panels.items(), strict=True):
        style.draw_bases(axes, runs, in_legend=axes is all_axes[0])
        for place, kind in enumerate(kinds):
            shift = 0.1 * (place - (len(kinds) - 1) / 2)
            style.draw_against_n(axes, runs[runs["kind"] == kind], style.KINDS[kind], shift=shift)
            hollow |= style.draw_published(axes, published, kind)
        if baselines is not None:
            style.draw_baselines(axes, baselines, in_legend=axes is all_axes[-1])
        style.label_blocks(axes, BLOCKS)
        axes.set_title(name)
        axes.set_ylabel(style.METRIC_NAME)
    if hollow:  # one entry in the legend, at its end
        all_axes[-1].plot([], [], marker="o", label="published (hollow)", **style.PUBLISHED)
    style.set_title(figure, title, style.interval_note(runs))
    style.legend_below(figure)
    return figure
