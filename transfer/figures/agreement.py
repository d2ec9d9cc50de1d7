"""The figure of which scores can be trusted: rank correlation with accuracy, study by study."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style
from transfer.scores.table import DEPTH, POSITIONS, score_name

_NOTE = "Kendall's tau across n. Thick: 95 % over test images and seeds; thin: n resampled as well"


@style.styled
def agreement_figure(table: pd.DataFrame) -> Figure:
    """A panel for each kind of network, a row for each score, a marker for each study."""
    if table.empty:
        raise TransferError("Expected at least one score and study to draw. There is none.")
    # Pooled features first, then positions, the control last; otherwise as in the table.
    scores = sorted(
        dict.fromkeys(table["score"]), key=lambda name: (name == DEPTH, name.endswith(POSITIONS))
    )
    kinds = [kind for kind in style.KINDS if (table["kind"] == kind).any()]
    studies = list(dict.fromkeys(table["study"]))
    figure = Figure(figsize=(style.COLUMN * (0.45 + 0.55 * len(kinds)), 0.9 + 0.34 * len(scores)))
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        for place, study in enumerate(studies):
            rows = table[(table["kind"] == kind) & (table["study"] == study)].set_index("score")
            shift = 0.18 * (place - (len(studies) - 1) / 2)
            _draw_study(axes, rows, scores, study, style.STUDIES[place % len(style.STUDIES)], shift)
        _label(axes, kind, scores)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(studies))
    style.set_title(figure, "Do scores without training rank n as accuracy does?", _NOTE)
    return figure


def _draw_study(
    axes: Axes,
    rows: pd.DataFrame,
    scores: list[str],
    study: str,
    look: tuple[str, str],
    shift: float,
) -> None:
    colour, marker = look
    drawn: Any = {"color": colour, "solid_capstyle": "butt"}
    rows = rows.reindex([name for name in scores if name in rows.index])
    y = np.array([scores.index(name) for name in rows.index]) + shift
    for height, row in zip(y, rows.itertuples(), strict=True):
        axes.plot([row.tau_low_n, row.tau_high_n], [height] * 2, linewidth=0.6, **drawn)
        axes.plot([row.tau_low, row.tau_high], [height] * 2, linewidth=1.8, alpha=0.55, **drawn)
    drawn = {"color": colour, "markeredgecolor": "white", "markeredgewidth": 0.3}
    axes.plot(rows["tau"], y, marker, label=study, **drawn)


def _label(axes: Axes, kind: str, scores: list[str]) -> None:
    axes.axvline(0, color=style.GUIDE, linewidth=0.8)
    axes.set_title(style.KINDS[kind].label)
    axes.set_xlabel("Kendall's tau")
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_yticks(range(len(scores)), [score_name(name) for name in scores])
    axes.grid(axis="x")
    for line in np.arange(0.5, len(scores) - 1):
        axes.axhline(line, color=style.FAINT, linewidth=0.4)
    if scores[-1] == DEPTH:
        axes.axhspan(len(scores) - 1.5, len(scores) - 0.5, color=style.FAINT, alpha=0.5, zorder=0)
