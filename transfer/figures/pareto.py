"""The figure to choose a network from: accuracy against what it costs, the front marked."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from transfer.deploy.costs.pareto import on_front
from transfer.errors import TransferError
from transfer.figures import style

#: Column, what it is called, and the units it is drawn in.
_PANELS = (
    ("median_ms", "latency of a frame, ms, one thread", 1.0),
    ("file_bytes", "file size, kB", 1e3),
    ("multiply_adds", "multiply-adds, millions", 1e6),
)
_BELOW_BEST = 0.12  #: accuracies further below the best would squeeze all others together
#: Where a label may stand, in points from its marker: near ones first.
_PLACES = [
    (distance * np.cos(angle), distance * np.sin(angle))
    for distance in (6, 10, 15, 21, 28, 36)
    for angle in np.pi * np.array([0.5, 0.25, 0.75, -0.5, 0, 1, -0.25, -0.75])
]
Label = tuple[float, float, str, str]  # x, y, text ("": a marker without a label), colour


@style.styled
def pareto_figure(candidates: pd.DataFrame, title: str = "", margin: float = 0.01) -> Figure:
    """Test accuracy against latency, file size and multiply-adds, one panel each.

    Filled markers are networks shown to be within the margin of baseB. The front takes only
    networks with the most seeds. Networks on it have labels: 7 is sliced-7, B is baseB, with
    ``@alpha`` where studies of several widths are drawn.
    """
    if candidates.empty:
        raise TransferError("Expected networks that were measured. There is none yet.")
    lowest = candidates["accuracy"].max() - _BELOW_BEST
    shown = candidates[candidates["accuracy"] >= lowest]
    own_alpha = candidates.loc[candidates["kind"] != "baseB", "alpha"].mode()
    usual = float(own_alpha.iloc[0]) if len(own_alpha) else float(candidates["alpha"].iloc[0])
    panels = [panel for panel in _PANELS if shown[panel[0]].notna().any()]
    figure = Figure(figsize=(2 * style.COLUMN, 3.0))
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    labels = []
    for axes, (cost, name, unit) in zip(all_axes, panels, strict=True):
        labels.append(_draw(axes, shown, cost, unit, usual, axes is all_axes[0]))
        axes.set_xscale("log")
        wide = shown[cost].max() > 30 * shown[cost].min()
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(name)
        axes.grid()
        axes.margins(x=0.12, y=0.14)
    all_axes[0].set_ylabel(style.METRIC_NAME)
    note = (
        f"line: the front; filled: shown to be within {100 * margin:g} "
        f"point{'s' * (margin != 0.01)} of baseB; numbers: n of sliced-n; B: baseB"
    )
    if len(shown) < len(candidates):
        note += f"; {len(candidates) - len(shown)} files below {lowest:.2f} are not drawn"
    style.set_title(figure, title, note)
    style.legend_below(figure, columns=4)
    figure.draw_without_rendering()
    for axes, points in zip(all_axes, labels, strict=True):
        _place(axes, points)
    return figure


def _draw(
    axes: Axes, shown: pd.DataFrame, cost: str, unit: float, usual: float, in_legend: bool
) -> list[Label]:
    """Markers and front of a panel; its markers with the labels they want."""
    points = []
    # One seed can be lucky: the front is of those with as many seeds as any.
    costs = shown[cost].where(shown["seeds"] == shown["seeds"].max()).to_numpy(float)
    front = pd.Series(on_front(costs, shown["accuracy"].to_numpy(float)), shown.index)
    line = shown[front].sort_values([cost, "accuracy"])
    steps: Any = {"color": style.GUIDE, "drawstyle": "steps-post", "lw": 0.8, "zorder": 1}
    label = "front" if in_legend else "_front"
    axes.plot(line[cost] / unit, line["accuracy"], label=label, **steps)
    for name, look in style.FORMATS.items():
        group = shown[(shown["format"] == name) & shown[cost].notna()]
        if group.empty:
            continue
        passed = (group["outcome"] == "shown").to_numpy()
        x, y = group[cost].to_numpy(float) / unit, group["accuracy"].to_numpy(float)
        drawn: Any = {"marker": look.marker, "s": 12, "edgecolors": look.colour, "linewidths": 0.8}
        axes.scatter(x, y, c="white", zorder=2, **drawn)
        label = look.label if in_legend else f"_{name}"
        axes.scatter(x[passed], y[passed], c=look.colour, zorder=3, label=label, **drawn)
        for place, is_on_front in enumerate(front[group.index]):
            text = _label(group.iloc[place], usual) if is_on_front else ""
            points.append((float(x[place]), float(y[place]), text, look.colour))
    return points


def _label(candidate: pd.Series, usual: float) -> str:
    network = str(candidate["network"])
    short = network.removeprefix("sliced-").replace("base", "")
    alpha = float(candidate["alpha"])
    return short if alpha == usual else f"{short}@{alpha:g}"


def _place(axes: Axes, points: list[Label]) -> None:
    """Put every label near its marker, over no other label and no marker where there is room."""
    figure = axes.get_figure()
    assert figure is not None
    pixels = figure.dpi / 72  # a point
    markers = [axes.transData.transform((x, y)) for x, y, _, _ in points]
    taken = [Bbox.from_extents(*(m - 2 * pixels), *(m + 2 * pixels)) for m in markers]
    inside = axes.get_window_extent()
    for (x, y, text, colour), marker in zip(points, markers, strict=True):
        if not text:
            continue
        half = np.array([1.9 * len(text), 3.4]) * pixels  # of the text, 6 points high
        options = []
        for rank, place in enumerate(_PLACES):
            centre = marker + np.array(place) * pixels
            box = Bbox.from_extents(*(centre - half), *(centre + half))
            outside = not (inside.contains(*box.min) and inside.contains(*box.max))
            overlaps = sum(box.overlaps(other) for other in taken)
            options.append((100 * overlaps + 1000 * outside + rank, place, box))
        _, best, box = min(options, key=lambda option: option[0])
        taken.append(box)
        note = axes.annotate(
            text,
            (x, y),
            best,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=6,
            color=colour,
            arrowprops={"arrowstyle": "-", "lw": 0.3, "color": colour, "shrinkA": 2, "shrinkB": 2},
        )
        note.set_in_layout(False)
