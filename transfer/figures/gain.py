"""The figure of the target's size: what transfer gains when there are few training images."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.figures.style import COLUMN, KIND_LABELS, KIND_STYLE, RC, legend_below, set_title
from transfer.statistics.gain import gains


def gain_against_images(runs: pd.DataFrame, title: str = "") -> Figure:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images.

    Arguments and errors as in `gains`.
    """
    table = gains(runs)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 2.5), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color="black", lw=1, label="baseB")
        for kind, group in table.groupby("kind"):
            colour, marker = KIND_STYLE[str(kind)]
            label = f"{KIND_LABELS[str(kind)]}, mean of n = {group['n'].iloc[0]}"
            x, y = group["train_images"].to_numpy(float), 100 * group["gain"]
            axes.plot(x, y, color=colour, marker=marker, label=label)
            low, high = (100 * group[column] for column in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        sizes = np.unique(table["train_images"])
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("training images of the target task")
        axes.set_ylabel("gain over baseB, points")
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        seeds = table["seeds"]
        low, high = seeds.min(), seeds.max()
        note = f"95 % intervals over {low if low == high else f'{low} to {high}'} seeds"
        if high == 1:
            note = "one seed, no intervals"
        set_title(figure, title, note)
        legend_below(figure, columns=1)
    return figure
