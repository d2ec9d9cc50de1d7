"""Does it still drive? Accuracy on recorded frames beside the closed loop, against n."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.answers.costs import FORMAT_LABELS
from transfer.answers.driving import by_network
from transfer.answers.style import (
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
from transfer.errors import TransferError
from transfer.runs import BLOCKS


def driving_against_n(drives: pd.DataFrame, runs: pd.DataFrame, title: str = "") -> Figure:
    """Test accuracy (above) and interventions a lap (below) against the number of blocks n.

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
        figure = Figure(figsize=(COLUMN, 3.9), dpi=200, layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for base in ("baseB", "baseB+"):
            draw_base(above, runs, base, label=base)
            _draw_base(below, driven, base)
        for kind, (colour, marker) in KIND_STYLE.items():
            of_kind = driven[(driven["kind"] == kind) & driven["bn"].isin(["", "inference"])]
            if of_kind.empty:
                continue
            accuracies = runs[(runs["kind"] == kind) & runs["n"].isin(of_kind["n"])]
            if not accuracies.empty:
                draw_against_n(above, accuracies, colour, marker, KIND_LABELS[kind], "-", 0.0)
            for number, (name, group) in enumerate(of_kind.groupby("format")):
                label = f"{kind}, {FORMAT_LABELS[str(name)]}" if name else f"_{kind}"
                style: Any = {"color": colour, "marker": marker, "lw": 1.0, "elinewidth": 0.6}
                if name:
                    style |= {"linestyle": "--", "fillstyle": "none"}
                rows = group.sort_values("n")
                x = rows["n"].to_numpy(float) + 0.12 * number
                rate, low, high = rows[["per_lap", "low", "high"]].to_numpy(float).T
                below.errorbar(x, rate, [rate - low, high - rate], label=label, **style)
        label_blocks(below, BLOCKS)
        above.set_ylabel("test accuracy")
        above.grid(axis="y", linewidth=0.4, alpha=0.5)
        below.set_ylabel("interventions a lap")
        below.set_ylim(bottom=0)
        set_title(figure, title, _note(table))
        legend_below(figure)
    return figure


def _draw_base(axes: Axes, table: pd.DataFrame, kind: str) -> None:
    rows = table[(table["kind"] == kind) & (table["format"] == "")]
    if rows.empty:
        return
    row = rows.iloc[0]
    colour, dash = ("black", "-") if kind == "baseB" else ("#777777", "--")
    axes.axhline(row["per_lap"], color=colour, linestyle=dash)
    axes.axhspan(row["low"], row["high"], color=colour, alpha=0.1, linewidth=0)


def _note(table: pd.DataFrame) -> str:
    seeds = sorted(set(table.loc[table["kind"] != "", "seeds"]))
    over = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seeds"
    note = f"95 % intervals over {over} (one seed: over drives)"
    forward = table[table["network"] == "forward"]
    if not forward.empty:
        note += f"; without steering: {forward['per_lap'].iloc[0]:.1f} a lap"
    return note
