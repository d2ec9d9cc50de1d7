"""The figure of the target's size: what transfer gains when there are few training images."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.figures import style


@style.styled
def gain_against_images(table: pd.DataFrame, title: str = "") -> Figure:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images.

    ``table``: as from `transfer.statistics.gain.gains`.
    """
    figure = Figure(figsize=(style.COLUMN, 2.5))
    axes = figure.add_subplot()
    axes.axhline(0, color=style.BASES["baseB"].colour, label="baseB")
    for kind, group in table.groupby("kind"):
        look = style.KINDS[str(kind)]
        x, y = group["train_images"].to_numpy(float), 100 * group["gain"]
        axes.plot(x, y, label=f"{look.label}, mean of n = {group['n'].iloc[0]}", **look.line)
        low, high = (100 * group[column] for column in ("low", "high"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    sizes = np.unique(table["train_images"])
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("training images of the target task")
    axes.set_ylabel(f"gain of {style.METRIC_NAME}\nover baseB, points")
    axes.grid(axis="y")
    seeds = style.seeds_in_words(table["seeds"])
    style.set_title(figure, title, f"95 % intervals over test images and seeds ({seeds})")
    style.legend_below(figure, columns=1)
    return figure
