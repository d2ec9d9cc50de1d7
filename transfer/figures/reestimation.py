"""Accuracy with BatchNorm statistics as trained and re-estimated, against n."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.deploy.reestimation.table import gains_of_reestimation
from transfer.errors import TransferError
from transfer.figures.style import COLUMN, RC, label_blocks, legend_below, set_title
from transfer.runs import BLOCKS

_BN_STYLE = {
    "inference": ("#0072B2", "o", "inference (Keras 3)"),
    "legacy": ("#D55E00", "s", "legacy (Keras 2.1.3 to 2.3.1)"),
    "adapt": ("#009E73", "^", "adapt (PyTorch)"),
}


def reestimation_against_n(frame: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy against n before (dashed) and after re-estimation: AnB above, baseA's probe below.

    Raises
    ------
    TransferError
        If there is neither AnB nor a probe in the table.
    """
    table = gains_of_reestimation(frame)
    frozen = table[(table["kind"] == "AnB") & (table["layers"] == "frozen")]
    probe = table[table["kind"] == "probe"]
    parts = [part for part in (frozen, probe) if not part.empty]
    if not parts:
        raise TransferError("Expected AnB or a probe in the table of re-estimation.")
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 0.8 + 1.7 * len(parts)), dpi=200, layout="constrained")
        all_axes = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
        for axes, part in zip(all_axes, parts, strict=True):
            if part is probe:
                _draw_pair(axes, part, "black", "x", "baseA, nothing trained")
                axes.set_ylabel("ridge probe, validation")
            else:
                for bn, (colour, marker, label) in _BN_STYLE.items():
                    if (part["bn"] == bn).any():
                        _draw_pair(axes, part[part["bn"] == bn], colour, marker, f"AnB, {label}")
                axes.set_ylabel("test accuracy")
            axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        label_blocks(all_axes[-1], BLOCKS)
        images = ", ".join(f"{count:,}" for count in sorted(set(frame["images"])))
        note = f"dashed: statistics as trained; solid: re-estimated on {images} images"
        set_title(figure, title, note)
        legend_below(figure, columns=1)
    return figure


def _draw_pair(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    rows = rows.sort_values("n")
    n = rows["n"].to_numpy(float)
    before, after = (rows[column].to_numpy(float) for column in ("before", "after"))
    axes.plot(n, before, color=colour, marker=marker, linestyle="--", fillstyle="none", alpha=0.8)
    axes.plot(n, after, color=colour, marker=marker, label=label)
    half = np.nan_to_num((rows["high"] - rows["low"]).to_numpy(float) / 2)
    if half.any():  # of the gain: what re-estimation adds, seed by seed
        axes.fill_between(n, after - half, after + half, color=colour, alpha=0.15, linewidth=0)
