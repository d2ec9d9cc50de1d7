"""Figures of test accuracy: against n, by semantics of BatchNorm, by number of training images."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.errors import TransferError
from transfer.figures import style
from transfer.networks.backbone import BACKBONES, DEFAULT, backbone_in
from transfer.results import as_keras_3, on_all_images
from transfer.runs import FROZEN_KINDS
from transfer.statistics.comparison import against_base, read_tested

_KINDS_A_PANEL = 4


@style.styled
def accuracy_against_n(
    runs: pd.DataFrame,
    title: str = "",
    published: pd.DataFrame | None = None,
    baselines: pd.DataFrame | None = None,
) -> Figure:
    """Test accuracy against the number of blocks n: one colour a kind, baseB as a line.

    Intervals are of 95 %: bars for one seed, bands for several. More than four kinds are drawn in
    two panels, each with its own scale: frozen networks fall so low that the differences of the
    others would vanish. ``published``: hollow markers. ``baselines``: grey lines.
    """
    runs = as_keras_3(on_all_images(runs))
    if runs.empty:
        raise TransferError("Expected at least one finished run to draw. There is none yet.")
    drawn = [kind for kind in style.KINDS if (runs["kind"] == kind).any()]
    panels = {"": drawn}
    if len(drawn) > _KINDS_A_PANEL:
        panels = {
            "blocks frozen": [kind for kind in drawn if kind in FROZEN_KINDS],
            "all trained (own scale)": [kind for kind in drawn if kind not in FROZEN_KINDS],
        }
    height = (1.9 if len(panels) > 1 else 2.3) * len(panels) + 0.14 * (len(drawn) // 2 + 3)
    figure = Figure(figsize=(style.COLUMN, height))
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    hollow, backbone = False, backbone_in(runs)
    for axes, (name, kinds) in zip(all_axes, panels.items(), strict=True):
        style.draw_bases(axes, runs, in_legend=axes is all_axes[0])
        for place, kind in enumerate(kinds):
            shift = 0.1 * (place - (len(kinds) - 1) / 2)
            style.draw_against_n(axes, runs[runs["kind"] == kind], style.KINDS[kind], shift=shift)
            hollow |= style.draw_published(axes, published, kind)
        if baselines is not None:
            style.draw_baselines(axes, baselines, in_legend=axes is all_axes[-1])
        style.label_blocks(axes, backbone.blocks, backbone.stages)
        axes.set_title(name)
        axes.set_ylabel(style.METRIC_NAME)
    if hollow:  # one entry in the legend, at its end
        all_axes[-1].plot([], [], marker="o", label="published (hollow)", **style.PUBLISHED)
    style.set_title(figure, title, style.interval_note(runs))
    style.legend_below(figure)
    return figure


@style.styled
def bn_semantics(
    runs: pd.DataFrame, title: str = "", published: pd.DataFrame | None = None
) -> Figure:
    """AnB against n under each semantics of a frozen BatchNorm, baseB as a line."""
    runs = on_all_images(runs)
    runs = runs[runs["kind"].isin(["baseB", "AnB"])]
    frozen = runs[runs["kind"] == "AnB"]
    if frozen["bn"].nunique() < 2:
        raise TransferError("Expected AnB under two semantics of BatchNorm or more to draw.")
    figure = Figure(figsize=(style.COLUMN, 2.7))
    axes = figure.add_subplot()
    style.draw_bases(axes, runs)
    for place, (bn, look) in enumerate(style.SEMANTICS.items()):
        if (frozen["bn"] == bn).any():
            label = f"AnB, {look.label}"
            style.draw_against_n(axes, frozen[frozen["bn"] == bn], look, label, 0.1 * place)
    style.draw_published(axes, published, "AnB", "AnB, published (hollow)")
    backbone = backbone_in(runs)
    style.label_blocks(axes, backbone.blocks, backbone.stages)
    axes.set_ylabel(style.METRIC_NAME)
    style.set_title(figure, title, style.interval_note(runs))
    style.legend_below(figure)
    return figure


@style.styled
def negative_transfer(study_dir: Path, published: pd.DataFrame, title: str = "") -> Figure:
    """AnB and its control BnB minus baseB under each semantics, beside the published differences.

    Bars are 95 % intervals of the difference, over seeds and test images, each n by itself.
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
        style.label_blocks(axes, BACKBONES[DEFAULT].blocks)  # as published
        axes.set_title(style.KINDS[kind].label)
    all_axes[0].set_ylabel("balanced test accuracy\nminus baseB, points")
    style.set_title(figure, title, "95 % intervals over test images and seeds")
    style.legend_below(figure)
    return figure


@style.styled
def gain_against_images(table: pd.DataFrame, title: str = "") -> Figure:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images."""
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
