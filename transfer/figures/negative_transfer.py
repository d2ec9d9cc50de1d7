"""The published fall of AnB beside ours: AnB and its control BnB under each BatchNorm semantics."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style
from transfer.runs import BLOCKS
from transfer.statistics.comparison import against_base, read_tested


@style.styled
def negative_transfer(study_dir: Path, published: pd.DataFrame, title: str = "") -> Figure:
    """AnB and its control BnB minus baseB under each semantics, beside the published differences.

    Bars are 95 % intervals of the difference, over seeds and test images, each n by itself.
    ``published``: as from `read_published`; the difference to its own baseB is drawn.
    Raises `TransferError` if baseB, or AnB and BnB under ``legacy``, were not run.
    """
    tested = read_tested(study_dir)
    compared = against_base(tested, kinds=("AnB", "BnB"))
    if not {"AnB", "BnB"} <= {kind for kind, _, bn in compared if bn == "legacy"}:
        raise TransferError("Expected baseB, and AnB and BnB under legacy BatchNorm, to draw.")
    figure = Figure(figsize=(2 * style.COLUMN, 2.5))
    all_axes = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(all_axes, ("AnB", "BnB"), strict=True):
        axes.axhline(0, color=style.BASES["baseB"].colour, linewidth=0.7)
        for place, (bn, look) in enumerate(style.SEMANTICS.items()):
            keys = [key for key in tested.family(kind, bn) if key in compared]
            if not keys:
                continue
            seen = [compared[key].difference for key in keys]
            n = np.array([key[1] for key in keys], float)
            mean, low, high = 100 * np.array([(d.estimate, *d.interval()) for d in seen]).T
            label = f"frozen BatchNorm: {look.label}" if kind == "AnB" else f"_{kind} {bn}"
            errors = np.stack([mean - low, high - mean])
            axes.errorbar(n + 0.12 * place, mean, errors, elinewidth=0.7, label=label, **look.line)
        base = published.loc[published["kind"] == "baseB", style.METRIC].mean()
        points = published[published["kind"] == kind]
        label = "published (hollow)" if kind == "AnB" else f"_published {kind}"
        marker = style.KINDS[kind].marker
        y = 100 * (points[style.METRIC] - base)
        axes.plot(points["n"], y, marker=marker, label=label, **style.PUBLISHED)
        style.label_blocks(axes, BLOCKS)
        axes.set_title(style.KINDS[kind].label)
    all_axes[0].set_ylabel("balanced test accuracy\nminus baseB, points")
    style.set_title(figure, title, "95 % intervals over test images and seeds")
    style.legend_below(figure)
    return figure
