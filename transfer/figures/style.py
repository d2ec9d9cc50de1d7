"""How all figures look: colours of Okabe and Ito, a marker and a dash each, so that they read in
grey and without red-green vision."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.files import open_atomically
from transfer.statistics.intervals import interval

#: Colour and marker of a kind.
KIND_STYLE = {
    "BnB": ("#0072B2", "o"),
    "BnB+": ("#56B4E9", "D"),
    "AnB": ("#D55E00", "s"),
    "AnB+": ("#009E73", "^"),
    "RnB": ("#555555", "x"),
    "A@nB": ("#CC79A7", "P"),
    "sliced": ("#E69F00", "v"),
}
KIND_LABELS = {
    "BnB": "BnB (selffer, frozen)",
    "BnB+": "BnB+ (selffer, fine-tuned)",
    "AnB": "AnB (transfer, frozen)",
    "AnB+": "AnB+ (transfer, fine-tuned)",
    "RnB": "RnB (random, frozen)",
    "A@nB": "A@nB (only block n tuned)",
    "sliced": "sliced-n (cut after block n)",
}
HOLLOW: Any = {"color": "#777777", "fillstyle": "none"}
#: Inches: a column of a paper in two columns. Nothing is scaled down there, so 7 points stay 7.
COLUMN = 3.3
RC: Any = {
    "font.size": 7,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.35,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "feature-transfer",
    "svg.fonttype": "none",
}


def draw_base(axes: Axes, runs: pd.DataFrame, kind: str = "baseB", label: str = "") -> None:
    """A base network as a line with its 95 % band; nothing if it was not run."""
    runs = runs[runs["kind"] == kind]
    if runs.empty:
        return
    colour, dash = ("black", "-") if kind == "baseB" else ("#777777", "--")
    axes.axhline(runs["test_accuracy"].mean(), color=colour, linestyle=dash, label=label or kind)
    low, high = interval(runs)
    if np.isfinite(low):
        axes.axhspan(low, high, color=colour, alpha=0.1, linewidth=0)


def draw_against_n(
    axes: Axes, runs: pd.DataFrame, colour: str, marker: str, label: str, dash: str, shift: float
) -> None:
    """Mean test accuracy against n: a 95 % band over several seeds, bars for one."""
    rows = []
    for n, group in runs.groupby("n"):
        rows.append((n, group["test_accuracy"].mean(), *interval(group)))
    n, mean, low, high = np.array(rows, float).T
    style: Any = {"color": colour, "marker": marker, "linestyle": dash}
    if runs.groupby("n")["seed"].nunique().min() > 1:
        axes.plot(n, mean, label=label, **style)
        axes.fill_between(n, low, high, color=colour, alpha=0.15, linewidth=0)
        return
    errors = np.nan_to_num(np.stack([mean - low, high - mean]))
    axes.errorbar(n + shift, mean, errors, elinewidth=0.7, label=label, **style)


def draw_published(
    axes: Axes, published: pd.DataFrame | None, kind: str, marker: str, label: str = ""
) -> bool:
    """Published accuracies of a kind as hollow grey markers of its shape; whether there are any."""
    if published is None or not (published["kind"] == kind).any():
        return False
    points = published[published["kind"] == kind]
    axes.plot(
        *(points[column].astype(float) for column in ("n", "test_accuracy")),
        marker,
        **HOLLOW,
        label=label or f"_published {kind}",
    )
    return True


def label_blocks(axes: Axes, last: int) -> None:
    """The axis of n."""
    axes.set_xlabel("n: blocks from the base network")
    axes.set_xticks(range(last + 1))
    axes.set_xlim(-0.5, last + 0.5)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)


def set_title(figure: Figure, title: str, note: str) -> None:
    """What is drawn, and below it what the intervals are intervals of."""
    text = f"{title}\n{note}" if title else note
    figure.suptitle(text, fontsize=7, x=0.02, ha="left")


def legend_below(figure: Figure, columns: int = 2) -> None:
    """One legend for all panels: baseB first, published points last."""
    entries = [
        entry
        for axes in figure.axes
        for entry in zip(*axes.get_legend_handles_labels(), strict=True)
    ]
    entries.sort(key=lambda entry: "published" in entry[1])
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def interval_note(runs: pd.DataFrame) -> str:
    """What the intervals of a figure are intervals of."""
    if runs["test_low"].isna().all():
        return "one run each, published without intervals"
    seeds = runs.groupby(["kind", "n", "bn"], dropna=False)["seed"].nunique()
    if seeds.max() == 1:
        return "95 % intervals over test images, one seed"
    if seeds.min() == 1:
        return "95 % intervals over seeds, over images for one seed"
    low, high = seeds.min(), seeds.max()
    return f"95 % intervals over {low if low == high else f'{low} to {high}'} seeds"


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg``; the same figure gives the same bytes."""
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        path = stem.with_name(stem.name + suffix)
        with mpl.rc_context(RC), open_atomically(path) as stream:
            figure.savefig(stream, format=suffix[1:], metadata=metadata)
        paths.append(path)
    return paths
