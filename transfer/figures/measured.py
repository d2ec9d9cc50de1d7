"""Figures of what was measured beside a study: driving, re-estimation, agreement of scores."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.deploy.driving.table import by_network
from transfer.deploy.reestimation.table import gains_of_reestimation
from transfer.errors import TransferError
from transfer.figures import style
from transfer.networks.backbone import backbone_in
from transfer.results import as_keras_3, on_all_images
from transfer.scores.table import DEPTH, POSITIONS, score_name

#: Of a panel of the closed loop: its axis, and the columns of mean, low, high.
_PANELS = {
    "interventions a lap": ["per_lap", "low", "high"],
    "off the centre,\nhalf widths": ["offset", "offset_low", "offset_high"],
}
_NOTE = "Kendall's tau across n. Thick: 95 % over test images and seeds; thin: n resampled as well"


@style.styled
def driving_against_n(drives: pd.DataFrame, runs: pd.DataFrame, title: str = "") -> Figure:
    """Test accuracy, interventions a lap and distance from the centre line against n."""
    table = by_network(drives)
    driven = table[table["kind"] != ""]
    if driven.empty:
        raise TransferError("Expected drives of a network of the study. There are none.")
    runs = as_keras_3(on_all_images(runs))
    figure = Figure(figsize=(style.COLUMN, 4.9))
    above, *loops = figure.subplots(3, 1, sharex=True)
    style.draw_bases(above, runs)
    for kind, look in style.KINDS.items():
        n = driven.loc[driven["kind"] == kind, "n"]
        accuracies = runs[(runs["kind"] == kind) & runs["n"].isin(n)]
        if not accuracies.empty:
            style.draw_against_n(above, accuracies, look)
    for axes, (name, columns) in zip(loops, _PANELS.items(), strict=True):
        _draw_loop(axes, driven, columns, in_legend=axes is loops[0])
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
    backbone = backbone_in(runs)
    style.label_blocks(loops[-1], backbone.blocks, backbone.stages)
    for axes in (above, loops[0]):
        axes.grid(axis="y")
    above.set_ylabel(style.METRIC_NAME)
    style.set_title(figure, title, _note(table))
    style.legend_below(figure)
    return figure


def _draw_loop(axes: Axes, driven: pd.DataFrame, columns: list[str], in_legend: bool) -> None:
    """One number of the closed loop: bases as lines, kinds against n, a file of one dashed."""
    for base in style.BASES:
        rows = driven[(driven["kind"] == base) & (driven["format"] == "")]
        if not rows.empty:
            mean, low, high = rows.iloc[0][columns].to_numpy(float)
            style.draw_level(axes, base, (mean, low, high), in_legend=False)
    for kind, look in style.KINDS.items():
        of_kind = as_keras_3(driven[driven["kind"] == kind])
        for place, (name, group) in enumerate(of_kind.groupby("format")):
            label = f"{kind}, {FORMAT_LABELS[str(name)]}" if name and in_legend else f"_{kind}"
            drawn: Any = look.line | {"elinewidth": 0.6}
            if name:
                drawn |= {"linestyle": "--", "fillstyle": "none"}
            rows = group.sort_values("n")
            x = rows["n"].to_numpy(float) + 0.12 * place
            mean, low, high = rows[columns].to_numpy(float).T
            axes.errorbar(x, mean, [mean - low, high - mean], label=label, **drawn)


def _note(table: pd.DataFrame) -> str:
    seeds = style.seeds_in_words(table.loc[table["kind"] != "", "seeds"])
    note = f"95 % intervals over {seeds} (one seed: over drives)"
    forward = table[table["network"] == "forward"]
    if not forward.empty:
        note += f"\nwithout steering: {forward['per_lap'].iloc[0]:.1f} interventions a lap"
    return note


@style.styled
def reestimation_against_n(frame: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy before (dashed) and after re-estimation: AnB above, baseA's probe below."""
    table = gains_of_reestimation(frame)
    frozen = table[(table["kind"] == "AnB") & (table["layers"] == "frozen")]
    probe = table[table["kind"] == "probe"]
    panels = {}
    if not frozen.empty:
        looks = {bn: look for bn, look in style.SEMANTICS.items() if (frozen["bn"] == bn).any()}
        panels["test accuracy"] = [
            (frozen[frozen["bn"] == bn], look, f"AnB, {look.label}") for bn, look in looks.items()
        ]
    if not probe.empty:
        panels["validation accuracy\nof a ridge probe"] = [(probe, style.PROBE, style.PROBE.label)]
    if not panels:
        raise TransferError("Expected AnB or a probe in the table of re-estimation.")
    figure = Figure(figsize=(style.COLUMN, 0.8 + 1.7 * len(panels)))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, lines) in zip(all_axes, panels.items(), strict=True):
        for rows, look, label in lines:
            _draw_pair(axes, rows, look, label)
        axes.set_ylabel(name)
        axes.grid(axis="y")
    style.label_blocks(all_axes[-1], int(table["n"].max()))
    images = ", ".join(f"{count:,}" for count in sorted(set(frame["images"])))
    note = f"dashed: statistics as trained; solid: re-estimated on {images} images"
    style.set_title(figure, title, note)
    style.legend_below(figure, columns=1)
    return figure


def _draw_pair(axes: Axes, rows: pd.DataFrame, look: style.Look, label: str) -> None:
    rows = rows.sort_values("n")
    n = rows["n"].to_numpy(float)
    before, after = (rows[column].to_numpy(float) for column in ("before", "after"))
    drawn: Any = {"color": look.colour, "marker": look.marker}
    axes.plot(n, before, linestyle="--", fillstyle="none", alpha=0.8, **drawn)
    axes.plot(n, after, label=label, **drawn)
    half = np.nan_to_num((rows["high"] - rows["low"]).to_numpy(float) / 2)
    if half.any():  # of the gain: what re-estimation adds, seed by seed
        axes.fill_between(n, after - half, after + half, color=look.colour, alpha=0.15, linewidth=0)


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
