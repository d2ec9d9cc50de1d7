"""How all figures and charts look: every colour, marker, dash and name, once.

A meaning has one colour everywhere. Those that meet in a figure differ in marker or dash too, and
are told apart without red-green vision (a test simulates it). Most are those of Okabe and Ito.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.files import open_atomically

#: The accuracy that figures and charts show: column of runs.csv, and its name.
METRIC, METRIC_NAME = "test_balanced_accuracy", "balanced test accuracy"


@dataclass(frozen=True)
class Look:
    """How one meaning is drawn."""

    label: str  #: its name in a legend
    colour: str  #: on paper
    dark: str  #: a lighter one of the same hue, for a dark screen
    marker: str = ""  #: of matplotlib; empty: a line without markers
    dash: str = "-"  #: of matplotlib

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of `matplotlib.axes.Axes.plot`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dash}


BASES = {
    "baseB": Look("baseB", "#000000", "#f2f0ea"),
    "baseB+": Look("baseB+", "#555555", "#6f6f6f", dash="--"),
}
#: What needs no network, by name in baselines.csv.
BASELINES = {
    "nearest_neighbours": Look("nearest neighbours", "#777777", "#9a978f", dash=":"),
    "linear": Look("linear on pixels", "#777777", "#9a978f", dash="-."),
    "always_one_class": Look("always one class", "#bbbbbb", "#5f5d58"),
}
KINDS = {
    "BnB": Look("BnB (selffer, frozen)", "#0072b2", "#2f8fd8", "o"),
    "BnB+": Look("BnB+ (selffer, fine-tuned)", "#56b4e9", "#9ad5f7", "D"),
    "AnB": Look("AnB (transfer, frozen)", "#d55e00", "#f0752a", "s"),
    "AnB+": Look("AnB+ (transfer, fine-tuned)", "#009e73", "#1fc796", "^"),
    "RnB": Look("RnB (random, frozen)", "#661100", "#b58a5a", "x"),
    "A@nB": Look("A@nB (only block n tuned)", "#cc79a7", "#de93be", "P"),
    "sliced": Look("sliced-n (cut after block n)", "#e69f00", "#f0b429", "v"),
}
#: Of a frozen BatchNorm. ``inference`` looks like AnB, which is run so everywhere else.
SEMANTICS = {
    "inference": Look("inference (Keras 3)", "#d55e00", "#f0752a", "s"),
    "adapt": Look("adapt (PyTorch)", "#44aa99", "#44aa99", "o", ":"),
    "legacy": Look("legacy (Keras 2.1.3 to 2.3.1)", "#332288", "#8f7bff", "x", "--"),
}
#: What a study finds about blocks, in a picture of the network.
FINDINGS = {
    "frozen": Look("can stay frozen", "#0072b2", "#2f8fd8"),
    "tuned": Look("must be tuned", "#d55e00", "#f0752a"),
    "open": Look("kept; frozen or tuned is open", "#8a8377", "#9a978f"),
    "cut": Look("can be cut", "#e6e1d6", "#34332f"),
}
_FORMATS = {"litert": ("#0072b2", "o"), "litert-int8": ("#d55e00", "s"), "onnx": ("#009e73", "^")}
FORMATS = {
    name: Look(FORMAT_LABELS[name], colour, colour, marker)
    for name, (colour, marker) in _FORMATS.items()
}
#: Colours and markers of studies side by side, in their order.
_STUDY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")
STUDIES = tuple(zip(_STUDY_COLOURS, "os^Dv", strict=True))
#: A ridge probe on baseA, nothing trained.
PROBE = Look("baseA, nothing trained", "#000000", "#f2f0ea", "x")
#: Published points: the marker of their kind, hollow, without a line.
PUBLISHED: Any = {"color": "black", "fillstyle": "none", "linestyle": "", "alpha": 0.7}
#: Lines that help the eye and mean nothing.
GUIDE, FAINT = "#777777", "#dddddd"

#: Of the page that a report is: ink, lines and paper, on paper and on a dark screen.
PAGE = {
    "light": {"ink": "#1c1b19", "grid": "#e3dfd6", "paper": "#fffefa"},
    "dark": {"ink": "#e6e3dc", "grid": "#3a3936", "paper": "#191917"},
}

#: Inches: a column of a paper in two columns. Nothing is scaled down there, so 7 points stay 7.
COLUMN = 3.3
RC: Any = {
    "figure.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 7,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
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
#: Decorates a function that draws a figure.
styled = mpl.rc_context(RC)


def mean_and_interval(runs: pd.DataFrame) -> tuple[float, float, float]:
    """Mean accuracy of one network (its runs), and its 95 % interval: (mean, low, high)."""
    mean, (low, high) = float(runs[METRIC].mean()), runs[["low", "high"]].iloc[0]
    return mean, min(low, mean), max(high, mean)  # the table has six digits


def draw_level(
    axes: Axes, base: str, level: tuple[float, float, float], in_legend: bool = True
) -> None:
    """A base network as a line with its 95 % band; ``level`` is its mean, low, high."""
    look, (mean, low, high) = BASES[base], level
    label = look.label if in_legend else f"_{base}"
    axes.axhline(mean, color=look.colour, linestyle=look.dash, label=label)
    if np.isfinite(low):
        axes.axhspan(low, high, color=look.colour, alpha=0.1, linewidth=0)


def draw_bases(axes: Axes, runs: pd.DataFrame, in_legend: bool = True) -> None:
    """The bases that were run, as lines."""
    for base in BASES:
        of_base = runs[runs["kind"] == base]
        if not of_base.empty:
            draw_level(axes, base, mean_and_interval(of_base), in_legend)


def draw_baselines(axes: Axes, baselines: pd.DataFrame, in_legend: bool = True) -> None:
    """Baselines as lines; the legend gives all their values, also where a line is off the axis."""
    low, high = axes.get_ylim()
    for name, look in BASELINES.items():
        for value in baselines.loc[baselines["baseline"] == name, METRIC.removeprefix("test_")]:
            if low <= value <= high:
                axes.axhline(value, linewidth=0.7, zorder=1, **look.line | {"label": f"_{name}"})
            off = ", below" if value < low else ", above" if value > high else ""
            if in_legend:
                label = f"{look.label} ({value:.3f}{off})"
                axes.plot([], [], linewidth=0.7, label=label, **look.line)
    axes.set_ylim(low, high)


def draw_against_n(
    axes: Axes, runs: pd.DataFrame, look: Look, label: str = "", shift: float = 0.0
) -> None:
    """Mean accuracy against n: a 95 % band over several seeds, bars for one."""
    rows = [(n, *mean_and_interval(group)) for n, group in runs.groupby("n")]
    n, mean, low, high = np.array(rows, float).T
    label = label or look.label
    if runs.groupby("n")["seed"].nunique().min() > 1:
        axes.plot(n, mean, label=label, **look.line)
        axes.fill_between(n, low, high, color=look.colour, alpha=0.15, linewidth=0)
        return
    # A run that always says one class has an interval of no length, up to the digits of runs.csv.
    errors = np.nan_to_num(np.maximum(np.stack([mean - low, high - mean]), 0.0))
    axes.errorbar(n + shift, mean, errors, elinewidth=0.7, label=label, **look.line)


def draw_published(axes: Axes, published: pd.DataFrame | None, kind: str, label: str = "") -> bool:
    """Published accuracies of a kind as hollow markers of its shape; whether there are any."""
    if published is None or not (published["kind"] == kind).any():
        return False
    points = published[published["kind"] == kind].astype({"n": float})
    label = label or f"_published {kind}"
    axes.plot("n", METRIC, data=points, marker=KINDS[kind].marker, label=label, **PUBLISHED)
    return True


def label_blocks(axes: Axes, last: int, stages: Sequence[int] = ()) -> None:
    """The axis of n, to the last block; lines and numbers at the top tell its stages apart."""
    axes.set_xlabel("n: blocks from the base network")
    axes.set_xticks(range(last + 1))
    axes.set_xlim(-0.5, last + 0.5)
    axes.grid(axis="y")
    for stage, (first, after) in enumerate(itertools.pairwise([*stages, last + 1]), 1):
        axes.axvline(first - 0.5, color="0.8", linewidth=0.5, zorder=0)
        middle, above = (first + after - 1) / 2, axes.get_xaxis_transform()
        text = "stage 1" if stage == 1 else str(stage)
        axes.text(middle, 1, text, transform=above, ha="center", va="bottom", fontsize=5)


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
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
    legend = figure.legend(handles, labels, **place)
    too_wide = legend.get_window_extent().width / figure.bbox.width
    if too_wide > 1:
        legend.remove()
        size = 0.98 * float(legend.get_texts()[0].get_fontsize()) / too_wide
        figure.legend(handles, labels, fontsize=size, **place)


def interval_note(runs: pd.DataFrame) -> str:
    """What the intervals of a figure are intervals of."""
    if runs["low"].isna().all():
        return "without intervals"
    seeds = runs.groupby(["kind", "n", "bn"], dropna=False)["seed"].nunique()
    if seeds.max() == 1:
        return "95 % intervals over test images, one seed"
    return f"95 % intervals over test images and seeds ({seeds_in_words(seeds)})"


def seeds_in_words(seeds: pd.Series) -> str:
    """``3 seeds``, ``3 to 5 seeds``, ``1 seed``."""
    low, high = int(seeds.min()), int(seeds.max())
    if high == 1:
        return "1 seed"
    return f"{high} seeds" if low == high else f"{low} to {high} seeds"


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg``; the same figure gives the same bytes."""
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        path = stem.with_name(stem.name + suffix)
        with mpl.rc_context(RC), open_atomically(path) as stream:
            figure.savefig(stream, format=suffix[1:], metadata=metadata)
        paths.append(path)
    return paths
