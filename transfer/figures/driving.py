"""Does it still drive? Accuracy on recorded frames beside the closed loop, against n."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.deploy.driving.table import by_network
from transfer.errors import TransferError
from transfer.figures.style import (
    COLUMN,
    KIND_LABELS,
    KIND_STYLE,
    RC,
    draw_against_n,
    draw_base,
    label_blocks,
    legend_below,
    set_title,
)
from transfer.runs import BLOCKS

_COLUMNS = (("per_lap", "low", "high"), ("offset", "offset_low", "offset_high"))


def driving_against_n(drives: pd.DataFrame, runs: pd.DataFrame, title: str = "") -> Figure:
    """Test accuracy, interventions a lap and distance from the centre line against n.

    Parameters
    ----------
    drives : pandas.DataFrame
        As from `read_drives`.
    runs : pandas.DataFrame
        As from `read_runs`.
    title : str

    Raises
    ------
    TransferError
        If no network of the study has driven.
    """
    table = by_network(drives)
    driven = table[table["kind"] != ""]
    if driven.empty:
        raise TransferError("Expected drives of a network of the study. There are none.")
    runs = runs[(runs["fraction"] == 1.0) & runs["bn"].isin(["", "inference"])]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 4.9), dpi=200, layout="constrained")
        above, *loops = figure.subplots(3, 1, sharex=True)
        for base in ("baseB", "baseB+"):
            draw_base(above, runs, base, label=base)
        for kind, (colour, marker) in KIND_STYLE.items():
            n = driven.loc[driven["kind"] == kind, "n"]
            accuracies = runs[(runs["kind"] == kind) & runs["n"].isin(n)]
            if not accuracies.empty:
                draw_against_n(above, accuracies, colour, marker, KIND_LABELS[kind], "-", 0.0)
        for axes, columns in zip(loops, _COLUMNS, strict=True):
            _draw_loop(axes, driven, columns, in_legend=axes is loops[0])
            axes.set_ylim(bottom=0)
        label_blocks(loops[-1], BLOCKS)
        for axes in (above, loops[0]):
            axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        above.set_ylabel("test accuracy")
        loops[0].set_ylabel("interventions a lap")
        loops[1].set_ylabel("off the centre,\nhalf widths")
        set_title(figure, title, _note(table))
        legend_below(figure)
    return figure


def _draw_loop(
    axes: Axes, driven: pd.DataFrame, columns: tuple[str, str, str], in_legend: bool
) -> None:
    """One number of the closed loop: bases as lines, kinds against n, a file of one dashed."""
    for base in ("baseB", "baseB+"):
        _draw_base(axes, driven, base, columns)
    for kind, (colour, marker) in KIND_STYLE.items():
        of_kind = driven[(driven["kind"] == kind) & driven["bn"].isin(["", "inference"])]
        for number, (name, group) in enumerate(of_kind.groupby("format")):
            label = f"{kind}, {FORMAT_LABELS[str(name)]}" if name and in_legend else f"_{kind}"
            style: Any = {"color": colour, "marker": marker, "lw": 1.0, "elinewidth": 0.6}
            if name:
                style |= {"linestyle": "--", "fillstyle": "none"}
            rows = group.sort_values("n")
            x = rows["n"].to_numpy(float) + 0.12 * number
            mean, low, high = rows[list(columns)].to_numpy(float).T
            axes.errorbar(x, mean, [mean - low, high - mean], label=label, **style)


def _draw_base(axes: Axes, table: pd.DataFrame, kind: str, columns: tuple[str, str, str]) -> None:
    rows = table[(table["kind"] == kind) & (table["format"] == "")]
    if rows.empty:
        return
    mean, low, high = rows.iloc[0][list(columns)].to_numpy(float)
    colour, dash = ("black", "-") if kind == "baseB" else ("#777777", "--")
    axes.axhline(mean, color=colour, linestyle=dash)
    axes.axhspan(low, high, color=colour, alpha=0.1, linewidth=0)


def _note(table: pd.DataFrame) -> str:
    seeds = sorted(set(table.loc[table["kind"] != "", "seeds"]))
    over = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seeds"
    note = f"95 % intervals over {over} (one seed: over drives)"
    forward = table[table["network"] == "forward"]
    if not forward.empty:
        note += f"\nwithout steering: {forward['per_lap'].iloc[0]:.1f} interventions a lap"
    return note
