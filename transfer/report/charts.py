"""Charts of accuracy: against n, under each BatchNorm semantics, against the training images."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.figures import style
from transfer.figures.style import METRIC, METRIC_NAME
from transfer.networks.backbone import backbone_in
from transfer.report.chart import (
    Chart,
    Choice,
    Trace,
    axis,
    axis_of_n,
    band,
    bars,
    line,
    ring,
    switches_of,
)
from transfer.results import as_keras_3
from transfer.runs import parse_run
from transfer.statistics.gain import gains, has_sizes
from transfer.wording import count_seeds, points

_SEEDS_SHOWN = 6


def _axes(runs: pd.DataFrame) -> dict[str, Any]:
    x = axis_of_n("n, blocks from the base network", backbone_in(runs).blocks)
    return {"xaxis": x, "yaxis": axis(METRIC_NAME)}


def network_text(group: pd.DataFrame) -> str:
    """What hovering over a network tells; ``group`` is its seeds. Names are those of runs."""
    run = parse_run(str(group["run"].iloc[0]))
    mean, low, high = style.mean_and_interval(group)
    bn = f", BatchNorm {run.bn}" if run.bn else ""
    over = "over test images" if len(group) == 1 else f"over {count_seeds(len(group))}"
    bounds = f" (95 % {low:.3f} to {high:.3f}, {over})" if math.isfinite(low) else ""
    lines = [f"<b>{run.network}</b>{bn}", f"{METRIC_NAME} {mean:.3f}{bounds}"]
    for row in group.head(_SEEDS_SHOWN).to_dict("records"):
        epochs = f"best epoch {row['best_epoch']} of {row['epochs']}"
        lines.append(f"{row['run']}: {row[METRIC]:.3f}, {epochs}")
    if len(group) > _SEEDS_SHOWN:
        lines.append(f"and {len(group) - _SEEDS_SHOWN} more seeds")
    return "<br>".join(lines)


def _bases(runs: pd.DataFrame) -> list[Trace]:
    """The bases that were run, as level lines with their bands."""
    traces = []
    x = range(backbone_in(runs).blocks + 1)
    for base in style.BASES:
        group = runs[runs["kind"] == base]
        if group.empty:
            continue
        mean, low, high = ([value] * len(x) for value in style.mean_and_interval(group))
        if math.isfinite(low[0]):
            traces.append(band(base, x, low, high, opacity=0.08))
        traces.append(line(base, x, mean, [network_text(group)] * len(x)))
    return traces


def _against_n(runs: pd.DataFrame, key: str) -> list[Trace]:
    """Mean over seeds against n: a band if every n has several seeds, bars otherwise."""
    groups = [(int(n), group) for n, group in runs.groupby("n")]
    if not groups:
        return []
    n, texts = [n for n, _ in groups], [network_text(group) for _, group in groups]
    mean, low, high = zip(*(style.mean_and_interval(group) for _, group in groups), strict=True)
    if len(n) > 1 and min(len(group) for _, group in groups) > 1:
        return [band(key, n, np.clip(low, 0, 1), np.clip(high, 0, 1)), line(key, n, mean, texts)]
    return [line(key, n, mean, texts, error_y=bars(low, mean, high, key))]


def accuracy_chart(
    runs: pd.DataFrame, baselines: pd.DataFrame, recommended: int | None = None
) -> Chart:
    """Test accuracy against n, a colour for each kind; the n ``recommended`` is marked."""
    runs = as_keras_3(runs)
    if runs.empty:
        raise TransferError(
            "Accuracy against n is left out: no run on all training images with inference "
            "BatchNorm is finished."
        )
    traces = _bases(runs)
    x = range(backbone_in(runs).blocks + 1)
    for row in baselines[baselines["baseline"].isin(style.BASELINES)].to_dict("records"):
        look, value = style.BASELINES[row["baseline"]], row[METRIC.removeprefix("test_")]
        text = f"<b>{look.label}</b><br>{METRIC_NAME} {value:.3f}"
        traces.append(line(row["baseline"], x, [value] * len(x), [text] * len(x)))
    for kind in style.KINDS:
        traces += _against_n(runs[runs["kind"] == kind], kind)
    chosen = runs[(runs["kind"] == "sliced") & (runs["n"] == recommended)]
    rings = [] if chosen.empty else [ring(int(recommended or 0), chosen[METRIC].mean(), "sliced")]
    return Chart(
        "accuracy",
        f"{METRIC_NAME.capitalize()} against n, the number of blocks from the base network, by "
        "kind",
        rings + traces,
        _axes(runs),
        switches_of(traces),
        "Kinds shown",
        *_scales(runs),
    )


def _scales(runs: pd.DataFrame) -> tuple[tuple[Choice, ...], dict[str, dict[str, Any]]]:
    """A second scale of accuracy, near baseB, where a few low networks would flatten the rest."""
    base = runs[runs["kind"] == "baseB"][METRIC].mean()
    away = (runs.groupby(["kind", "n"], dropna=False)[METRIC].mean() - base).abs()
    near = max(0.05, 2 * float(away.median()))
    if not math.isfinite(base) or away.max() < 2 * near:
        return (), {}
    options = (("all", "all points"), ("near", f"within {100 * near:.0f} points of baseB"))
    scales = {"all": {}, "near": {"yaxis": {"range": [base - near, base + near]}}}
    return (Choice("scale", "Accuracy axis", options),), scales


def semantics_chart(runs: pd.DataFrame) -> Chart:
    """AnB against n under each semantics of a frozen BatchNorm."""
    frozen = runs[runs["kind"] == "AnB"]
    if frozen["bn"].nunique() < 2:
        raise TransferError(
            "The comparison of BatchNorm semantics is left out: AnB was not run under two of them "
            "(--bn inference,legacy adds one)."
        )
    traces = _bases(runs[runs["kind"] == "baseB"])
    for bn in style.SEMANTICS:
        traces += _against_n(frozen[frozen["bn"] == bn], bn)
    return Chart(
        "semantics",
        f"{METRIC_NAME.capitalize()} of AnB against n under each semantics of a frozen BatchNorm",
        traces,
        _axes(runs),
        switches_of(traces, {bn: f"AnB, {look.label}" for bn, look in style.SEMANTICS.items()}),
        "Semantics shown",
    )


def gain_chart(study_dir: Path, runs: pd.DataFrame) -> Chart:
    """Gain of AnB and AnB+ over baseB, in points, against the number of training images."""
    if not has_sizes(runs):
        raise TransferError(
            "The gain by the number of training images is left out: AnB or AnB+ was not run on "
            "several shares of them (--train-fraction 0.1,0.25,1 adds some)."
        )
    table = gains(study_dir)
    sizes = sorted(int(size) for size in table["train_images"].unique())
    zero = line("baseB", sizes, [0.0] * len(sizes), (), hoverinfo="skip")
    del zero["hovertemplate"]  # it would win over hoverinfo
    traces, labels = [zero], {}
    for kind, group in table.groupby("kind"):
        key, x = str(kind), group["train_images"]
        low, mean, high = (100 * group[column] for column in ("low", "gain", "high"))
        traces.append(band(key, x, low, high))
        traces.append(line(key, x, mean, [_gain_text(key, row) for row in group.itertuples()]))
        labels[key] = f"{style.KINDS[key].label}, mean of n = {group['n'].iloc[0]}"
    ticks = {"type": "log", "tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes]}
    title = f"gain of {METRIC_NAME} over baseB, points"
    x_axis = axis("training images of the target task", **ticks)
    return Chart(
        "gain",
        f"{title.capitalize()}, against the number of training images",
        traces,
        {"xaxis": x_axis, "yaxis": axis(title, zeroline=False)},
        switches_of(traces, labels),
        "Kinds shown",
    )


def _gain_text(kind: str, row: Any) -> str:
    return (
        f"<b>{kind}</b> minus baseB, {row.train_images:,} training images<br>{points(row.gain)} "
        f"points (95 % {points(row.low)} to {points(row.high)}), {count_seeds(row.seeds)}"
    )
