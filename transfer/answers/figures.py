"""Accuracy against n, drawn from the CSVs of a study and from nothing else.

Colours are those of Okabe and Ito, distinguishable without red-green vision; markers differ too,
so that the figures read in grey.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.answers.statistics import interval
from transfer.errors import TransferError
from transfer.files import open_atomically
from transfer.results import read_runs, read_study
from transfer.runs import BLOCKS

_STYLE = {
    "BnB": ("#0072B2", "o"),
    "BnB+": ("#56B4E9", "D"),
    "AnB": ("#D55E00", "s"),
    "AnB+": ("#009E73", "^"),
    "RnB": ("#555555", "x"),
    "A@nB": ("#CC79A7", "P"),
    "sliced": ("#E69F00", "v"),
}
_LABELS = {
    "BnB": "BnB (selffer, frozen)",
    "BnB+": "BnB+ (selffer, fine-tuned)",
    "AnB": "AnB (transfer, frozen)",
    "AnB+": "AnB+ (transfer, fine-tuned)",
    "RnB": "RnB (random, frozen)",
    "A@nB": "A@nB (only block n tuned)",
    "sliced": "sliced-n (cut after block n)",
}
_DASHES = {"inference": "-", "legacy": "--", "adapt": ":", "": "-"}
_BASES = {"baseB": ("black", "-"), "baseB+": ("#777777", "--")}
_RC: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "feature-transfer",
    "svg.fonttype": "none",
}


def accuracy_against_n(runs: pd.DataFrame, title: str = "") -> Figure:
    """Test accuracy against the number of blocks n: one colour a kind, baseB as a line.

    Parameters
    ----------
    runs : pandas.DataFrame
        As from `read_runs`; only runs on all training images are drawn.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        With 95 % intervals: bars for one seed, bands over seeds for several (see `interval`).

    Raises
    ------
    TransferError
        If there is no run to draw.
    """
    runs = runs[runs["fraction"] == 1.0]
    if runs.empty:
        raise TransferError("Expected at least one finished run to draw. There is none yet.")
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(6.4, 3.4), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        for kind, (colour, dash) in _BASES.items():
            _draw_base(axes, runs[runs["kind"] == kind], kind, colour, dash)
        drawn = [key for key in _STYLE if (runs["kind"] == key).any()]
        for place, kind in enumerate(drawn):
            of_kind = runs[runs["kind"] == kind]
            for bn in dict.fromkeys(of_kind["bn"]):
                shift = 0.1 * (place - (len(drawn) - 1) / 2)
                _draw_kind(axes, of_kind[of_kind["bn"] == bn], kind, str(bn), shift)
        axes.set_xlabel("n: depthwise separable blocks kept from the base network")
        axes.set_ylabel("test accuracy")
        axes.set_xticks(range(BLOCKS + 1))
        axes.set_xlim(-0.5, BLOCKS + 0.5)
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
        seeds = runs["seed"].nunique()
        note = "95 % intervals: " + ("over test images, one seed" if seeds == 1 else "over seeds")
        if runs["test_low"].isna().all():
            note = "one run each, published without intervals"
        axes.set_title(f"{title} ({note})" if title else note, fontsize=8, loc="left")
        figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    return figure


def _draw_base(axes: Axes, runs: pd.DataFrame, kind: str, colour: str, dash: str) -> None:
    if runs.empty:
        return
    axes.axhline(runs["test_accuracy"].mean(), color=colour, linestyle=dash, lw=1, label=kind)
    low, high = interval(runs)
    if np.isfinite(low):
        axes.axhspan(low, high, color=colour, alpha=0.1, linewidth=0)


def _draw_kind(axes: Axes, runs: pd.DataFrame, kind: str, bn: str, shift: float) -> None:
    colour, marker = _STYLE[kind]
    rows = []
    for n, group in runs.groupby("n"):
        low, high = interval(group)
        rows.append((n, group["test_accuracy"].mean(), low, high))
    n, mean, lows, highs = np.array(rows, float).T
    label = _LABELS[kind] + (f", {bn} BatchNorm" if bn not in ("", "inference") else "")
    errors = np.nan_to_num(np.stack([mean - lows, highs - mean]))
    axes.errorbar(
        n + shift,
        mean,
        errors,
        color=colour,
        marker=marker,
        markersize=4,
        linestyle=_DASHES[bn],
        linewidth=1,
        elinewidth=0.7,
        fillstyle="none" if bn in ("legacy", "adapt") else "full",
        label=label,
    )


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg``; the same figure gives the same bytes."""
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        path = stem.with_name(stem.name + suffix)
        with mpl.rc_context(_RC), open_atomically(path) as stream:
            figure.savefig(stream, format=suffix[1:], metadata=metadata)
        paths.append(path)
    return paths


def read_published(path: Path) -> pd.DataFrame:
    """A table ``network,block,test_accuracy`` as a frame of runs without intervals.

    Raises
    ------
    TransferError
        If the file is missing or has other columns.
    """
    try:
        table = pd.read_csv(path)
        kinds, blocks, accuracy = (table[c] for c in ("network", "block", "test_accuracy"))
    except (OSError, ValueError, KeyError) as error:
        raise TransferError(
            f"Expected a table network,block,test_accuracy in {path}. It cannot be read."
        ) from error
    missing = pd.Series(np.nan, index=table.index)
    return pd.DataFrame(
        {
            "kind": kinds,
            "n": blocks,
            "bn": "",
            "seed": 0,
            "fraction": 1.0,
            "test_accuracy": accuracy,
            "test_low": missing,
            "test_high": missing,
        }
    )


def draw_figures(study_dir: str | Path) -> list[Path]:
    """Draw every figure of a study into its ``figures/``.

    A folder with ``all_experiments.csv`` alone (the published numbers) is drawn too.

    Returns
    -------
    list of Path
        The files written, PNG and SVG.

    Raises
    ------
    TransferError
        If the folder holds no study.
    """
    folder = Path(study_dir)
    if (folder / "runs.csv").exists() or not (folder / "all_experiments.csv").exists():
        runs = read_runs(folder)
        title = str(read_study(folder)["dataset"]["name"])
    else:
        runs, title = read_published(folder / "all_experiments.csv"), folder.name
    return save(accuracy_against_n(runs, title), folder / "figures" / "accuracy_against_n")
