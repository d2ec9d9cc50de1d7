"""Accuracy with BatchNorm statistics as trained and re-estimated, against n."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.deploy.reestimation.table import gains_of_reestimation
from transfer.errors import TransferError
from transfer.figures import style
from transfer.runs import BLOCKS


@style.styled
def reestimation_against_n(frame: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy against n before (dashed) and after re-estimation: AnB above, baseA's probe below.

    Raises `TransferError` if there is neither AnB nor a probe in the table.
    """
    table = gains_of_reestimation(frame)
    frozen = table[(table["kind"] == "AnB") & (table["layers"] == "frozen")]
    panels = {
        "test accuracy": [
            (frozen[frozen["bn"] == bn], look, f"AnB, {look.label}")
            for bn, look in style.SEMANTICS.items()
        ],
        "validation accuracy\nof a ridge probe": [
            (table[table["kind"] == "probe"], style.PROBE, style.PROBE.label)
        ],
    }
    panels = {
        name: filled
        for name, lines in panels.items()
        if (filled := [line for line in lines if not line[0].empty])
    }
    if not panels:
        raise TransferError("Expected AnB or a probe in the table of re-estimation.")
    figure = Figure(figsize=(style.COLUMN, 0.8 + 1.7 * len(panels)))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, lines) in zip(all_axes, panels.items(), strict=True):
        for rows, look, label in lines:
            _draw_pair(axes, rows, look, label)
        axes.set_ylabel(name)
        axes.grid(axis="y")
    style.label_blocks(all_axes[-1], BLOCKS)
    images = ", ".join(f"{count:,}" for count in sorted(set(frame["images"])))
    note = f"dashed: statistics as trained; solid: re-estimated on {images} images"
    style.set_title(figure, title, note)
    style.legend_below(figure, columns=1)
    return figure


def _draw_pair(axes: Axes, rows: pd.DataFrame, look: style.Look, label: str) -> None:
    rows = rows.sort_values("n")
    n = rows["n"].to_numpy(float)
    before, after = (rows[column].to_numpy(float) for column in ("before", "after"))
    drawn: Any = {"color": look.colour, "marker": look.marker}
    axes.plot(n, before, linestyle="--", fillstyle="none", alpha=0.8, **drawn)
    axes.plot(n, after, label=label, **drawn)
    half = np.nan_to_num((rows["high"] - rows["low"]).to_numpy(float) / 2)
    if half.any():  # of the gain: what re-estimation adds, seed by seed
        axes.fill_between(n, after - half, after + half, color=look.colour, alpha=0.15, linewidth=0)
