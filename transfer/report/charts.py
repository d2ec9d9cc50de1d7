"""Charts of accuracy: against n, under each BatchNorm semantics, against the training images."""

import math
from typing import Any

import numpy as np
import pandas as pd

from transfer.answers.wording import count_seeds, points
from transfer.errors import TransferError
from transfer.figures.style import KIND_LABELS, KIND_STYLE
from transfer.report.chart import (
    SYMBOLS,
    Chart,
    Choice,
    Switch,
    band_trace,
    bars,
    kind_switch,
    number,
    points_trace,
)
from transfer.runs import BLOCKS, parse_run
from transfer.statistics.gain import gains, has_sizes
from transfer.statistics.intervals import interval

_SEEDS_SHOWN = 6
_SEMANTICS = {
    "inference": ("square", "■", "solid", "inference (Keras 3)"),
    "adapt": ("circle", "●", "dot", "adapt (PyTorch)"),
    "legacy": ("x", "✖", "dash", "legacy (Keras 2.1.3 to 2.3.1)"),
}


def network_text(group: pd.DataFrame) -> str:
    """What hovering over a network tells; ``group`` is its seeds. Names are those of runs."""
    first = group.iloc[0]
    run = parse_run(str(first["run"]))
    low, high = interval(group)
    bn = f", BatchNorm {run.bn}" if run.bn else ""
    over = "over test images" if len(group) == 1 else f"over {count_seeds(len(group))}"
    bounds = f" (95 % {low:.3f} to {high:.3f}, {over})" if math.isfinite(low) else ""
    lines = [
        f"<b>{run.network}</b>{bn}",
        f"test accuracy {group['test_accuracy'].mean():.3f}{bounds}",
    ]
    for row in group.head(_SEEDS_SHOWN).itertuples():
        lines.append(
            f"{row.run}: {row.test_accuracy:.3f}, best epoch {row.best_epoch} of {row.epochs}"
        )
    if len(group) > _SEEDS_SHOWN:
        lines.append(f"and {len(group) - _SEEDS_SHOWN} more seeds")
    return "<br>".join(lines)


def base_traces(runs: pd.DataFrame, x: list[float]) -> tuple[list[dict[str, Any]], list[Switch]]:
    """baseB and baseB+ as level lines with their bands, along ``x``; those that were run."""
    traces, switches = [], []
    for kind, dash in (("baseB", "solid"), ("baseB+", "dash")):
        group = runs[runs["kind"] == kind]
        if group.empty:
            continue
        low, high = interval(group)
        if math.isfinite(low):
            traces.append(band_trace(x, [low] * len(x), [high] * len(x), kind, kind, opacity=0.08))
        line = points_trace(
            x,
            [group["test_accuracy"].mean()] * len(x),
            colour=kind,
            symbol="circle",
            switch=kind,
            dash=dash,
            texts=[network_text(group)] * len(x),
        )
        traces.append({**line, "mode": "lines"})
        switches.append(kind_switch(kind))
    return traces, switches


def _against_n(
    runs: pd.DataFrame, colour: str, symbol: str, switch: str, dash: str = "solid"
) -> list[dict[str, Any]]:
    """Mean over seeds against n: a band if every n has several seeds, bars otherwise."""
    groups = [(int(n), group) for n, group in runs.groupby("n")]
    n = [n for n, _ in groups]
    mean = [float(group["test_accuracy"].mean()) for _, group in groups]
    low, high = np.array([interval(group) for _, group in groups]).T
    line = points_trace(
        n,
        mean,
        colour=colour,
        symbol=symbol,
        switch=switch,
        dash=dash,
        texts=[network_text(group) for _, group in groups],
    )
    if len(n) > 1 and min(len(group) for _, group in groups) > 1:
        return [band_trace(n, low.clip(0, 1), high.clip(0, 1), colour, switch), line]
    return [{**line, "error_y": {**bars(low, mean, high), "color": f"@{colour}"}}]


def _axis_of_n() -> dict[str, Any]:
    return {
        "title": {"text": "n, blocks from the base network"},
        "range": [-0.5, BLOCKS + 0.5],
        "dtick": 1,
    }


def accuracy_chart(runs: pd.DataFrame) -> Chart:
    """Test accuracy against n, a colour a kind; frozen BatchNorm as Keras 3 does it.

    Parameters
    ----------
    runs : pandas.DataFrame
        Rows of runs.csv on all training images.

    Raises
    ------
    TransferError
        If there is nothing to draw.
    """
    runs = runs[runs["bn"].isin(["", "inference"])]
    if runs.empty:
        raise TransferError(
            "Accuracy against n is left out: no run on all training images with inference "
            "BatchNorm is finished."
        )
    traces, switches = base_traces(runs, [float(n) for n in range(BLOCKS + 1)])
    for kind, (_, marker) in KIND_STYLE.items():
        of_kind = runs[runs["kind"] == kind]
        if not of_kind.empty:
            traces += _against_n(of_kind, kind, SYMBOLS[marker][0], kind)
            switches.append(kind_switch(kind))
    return Chart(
        "accuracy",
        "Test accuracy against n, the number of blocks from the base network, by kind",
        traces,
        {"xaxis": _axis_of_n(), "yaxis": {"title": {"text": "test accuracy"}}},
        tuple(switches),
        "Kinds shown",
        *_scales(runs),
    )


def _scales(runs: pd.DataFrame) -> tuple[tuple[Choice, ...], dict[str, dict[str, Any]]]:
    """A second scale of accuracy, near baseB, where a few low networks would flatten the rest."""
    base = runs[runs["kind"] == "baseB"]["test_accuracy"].mean()
    groups = runs.groupby(["kind", "n"], dropna=False)["test_accuracy"].mean()
    away = (groups - base).abs()
    near = max(0.05, 2 * float(away.median()))
    if not math.isfinite(base) or away.max() < 2 * near:
        return (), {}
    options = (("all", "all points"), ("near", f"within {100 * near:.0f} points of baseB"))
    scales = {"all": {}, "near": {"yaxis": {"range": [base - near, base + near]}}}
    return (Choice("scale", "Accuracy axis", options),), scales


def semantics_chart(runs: pd.DataFrame) -> Chart:
    """AnB against n under each semantics of a frozen BatchNorm.

    Parameters and errors as in `accuracy_chart`; two semantics are needed.
    """
    frozen = runs[runs["kind"] == "AnB"]
    if frozen["bn"].nunique() < 2:
        raise TransferError(
            "The comparison of BatchNorm semantics is left out: AnB was not run under two of them "
            "(--bn inference,legacy adds one)."
        )
    traces, switches = base_traces(
        runs[runs["kind"] == "baseB"], [float(n) for n in range(BLOCKS + 1)]
    )
    for bn, (symbol, glyph, dash, label) in _SEMANTICS.items():
        of_bn = frozen[frozen["bn"] == bn]
        if not of_bn.empty:
            traces += _against_n(of_bn, bn, symbol, bn, dash)
            switches.append(Switch(bn, f"AnB, {label}", bn, glyph))
    return Chart(
        "semantics",
        "Test accuracy of AnB against n under each semantics of a frozen BatchNorm",
        traces,
        {"xaxis": _axis_of_n(), "yaxis": {"title": {"text": "test accuracy"}}},
        tuple(switches),
        "Semantics shown",
    )


def gain_chart(runs: pd.DataFrame) -> Chart:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images.

    Raises
    ------
    TransferError
        If the study has one size only, or baseB is missing.
    """
    if not has_sizes(runs):
        raise TransferError(
            "The gain by the number of training images is left out: AnB or AnB+ was not run on "
            "several shares of them (--train-fraction 0.1,0.25,1 adds some)."
        )
    table = gains(runs)
    sizes = sorted(int(size) for size in table["train_images"].unique())
    zero = points_trace(
        sizes,
        [0.0] * len(sizes),
        colour="baseB",
        symbol="circle",
        switch="baseB",
        texts=["baseB"] * len(sizes),
    )
    traces: list[dict[str, Any]] = [{**zero, "mode": "lines", "hoverinfo": "skip"}]
    del traces[0]["hovertemplate"]
    switches = [kind_switch("baseB")]
    for kind, group in table.groupby("kind"):
        name = str(kind)
        low, mean, high = (100 * group[column] for column in ("low", "gain", "high"))
        if group["seeds"].min() > 1:
            traces.append(band_trace(group["train_images"], low, high, name, name))
        traces.append(
            points_trace(
                group["train_images"],
                mean,
                colour=name,
                symbol=SYMBOLS[KIND_STYLE[name][1]][0],
                switch=name,
                texts=[_gain_text(name, row) for row in group.itertuples()],
            )
        )
        label = f"{KIND_LABELS[name]}, mean of n = {group['n'].iloc[0]}"
        switches.append(kind_switch(name, label))
    ticks = {"type": "log", "tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes]}
    return Chart(
        "gain",
        "Gain over baseB in points against the number of training images",
        traces,
        {
            "xaxis": {"title": {"text": "training images of the target task"}, **ticks},
            "yaxis": {"title": {"text": "gain over baseB, points"}, "zeroline": False},
        },
        tuple(switches),
        "Kinds shown",
    )


def _gain_text(kind: str, row: Any) -> str:
    bounds = ""
    if number(row.low) is not None:
        bounds = f" (95 % {points(row.low)} to {points(row.high)})"
    return (
        f"<b>{kind}</b> minus baseB, {row.train_images:,} training images<br>"
        f"{points(row.gain)} points{bounds}, {count_seeds(row.seeds)}"
    )
