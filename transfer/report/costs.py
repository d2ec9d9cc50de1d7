"""What sliced-n costs and what it is worth: parameters, multiply-adds, and what a device measured.

``deploy.csv``, where `transfer.deploy.costs.measure` has written one, adds the size of the file and
the latency of every format it measured.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from transfer.answers.wording import count_seeds, file_size
from transfer.deploy.costs.pareto import on_front
from transfer.deploy.costs.table import FORMAT_LABELS, on_all_images
from transfer.errors import TransferError
from transfer.report.chart import Chart, Choice, Switch, bars, kind_switch, points_trace
from transfer.report.charts import network_text
from transfer.runs import parse_run
from transfer.statistics.intervals import interval

_KINDS = ("sliced", "baseB", "baseB+")


def cost_chart(runs: pd.DataFrame, deploy: pd.DataFrame) -> Chart:
    """Accuracy against cost: sliced-n as a line, the bases as points, the Pareto front filled.

    Parameters
    ----------
    runs : pandas.DataFrame
        Rows of runs.csv on all training images.
    deploy : pandas.DataFrame
        As from `transfer.deploy.costs.table.read_costs`; may be empty.

    Raises
    ------
    TransferError
        If sliced-n was not run.
    """
    if not (runs["kind"] == "sliced").any():
        raise TransferError(
            "Accuracy against cost is left out: sliced-n was not run (--kinds sliced adds it)."
        )
    options: list[tuple[str, str]] = []
    traces: list[dict[str, Any]] = []
    layouts: dict[str, dict[str, Any]] = {}
    for key, label in (("parameters", "parameters"), ("multiply_adds", "multiply-adds an image")):
        found = _of_runs(runs, key)
        if not found:
            continue
        options.append((key, label))
        traces += _traces(found, key)
        layouts[key] = _axis(label, found)
    for name, of_format in _formats(deploy):
        for column, what in (("file_bytes", "file, bytes"), ("median_ms_1", "latency, ms")):
            key = f"{column} {name}"
            label = f"{what}, {FORMAT_LABELS[name]}"
            found = _of_deploy(of_format, column)
            if not found:
                continue
            options.append((key, label))
            traces += _traces(found, key)
            layouts[key] = _axis(label, found)
    if not options:
        raise TransferError("Accuracy against cost is left out: runs.csv has no costs above 0.")
    kinds = [kind for kind in _KINDS if (runs["kind"] == kind).any()]
    return Chart(
        "cost",
        "Test accuracy of sliced-n against what it costs, with the Pareto front",
        traces,
        {"yaxis": {"title": {"text": "test accuracy"}}},
        tuple(kind_switch(kind) if kind == "sliced" else _point(kind) for kind in kinds),
        "Networks shown",
        (Choice("cost", "Cost", tuple(options)),),
        layouts,
    )


def _point(kind: str) -> Switch:
    return Switch(kind, kind, kind, "●")


def _axis(label: str, found: list[tuple[Any, ...]]) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5 of each power of ten."""
    costs = [row[2] for row in found]
    powers = range(math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs))) + 1)
    steps = (1, 2, 5) if len(powers) < 5 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {
        "xaxis": {
            "title": {"text": f"{label} (logarithmic)"},
            "type": "log",
            "tickvals": ticks,
            "ticktext": [_short(tick) for tick in ticks],
        }
    }


def _short(value: float) -> str:
    """
    >>> _short(0.2), _short(500), _short(20_000), _short(5e6)
    ('0.2', '500', '20k', '5M')
    """
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _formats(deploy: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    deploy = on_all_images(deploy[deploy["kind"].isin(_KINDS)])
    found = [(name, deploy[deploy["format"] == name]) for name in FORMAT_LABELS]
    return [(name, of_format) for name, of_format in found if not of_format.empty]


def _of_runs(runs: pd.DataFrame, column: str) -> list[tuple[Any, ...]]:
    """Networks as (kind, n, cost, low, accuracy, high, text), n rising."""
    found = []
    for (kind, n), group in runs[runs["kind"].isin(_KINDS)].groupby(["kind", "n"], dropna=False):
        cost = float(group[column].iloc[0])
        if not cost > 0:  # not what this program writes, and not to be drawn on such an axis
            continue
        text = (
            f"{network_text(group)}<br>{int(group['parameters'].iloc[0]):,} parameters, "
            f"{int(group['multiply_adds'].iloc[0]):,} multiply-adds"
        )
        low, high = interval(group)
        found.append((kind, n, cost, low, float(group["test_accuracy"].mean()), high, text))
    return found


def _of_deploy(deploy: pd.DataFrame, column: str) -> list[tuple[Any, ...]]:
    """The same of files; times are those of one seed, whatever its weights."""
    found = []
    for (kind, n), group in deploy.groupby(["kind", "n"], dropna=False):
        cost, accuracy = float(group[column].mean()), float(group["test_accuracy"].mean())
        if not cost > 0:  # not timed
            continue
        lines = [
            f"<b>{parse_run(str(group['run'].iloc[0])).network}</b>, "
            f"{FORMAT_LABELS[str(group['format'].iloc[0])]}",
            f"test accuracy of the file {accuracy:.3f}, {count_seeds(len(group))}",
            file_size(float(group["file_bytes"].mean())),
        ]
        if group["median_ms_1"].notna().any():
            lines.append(
                f"one thread: median {group['median_ms_1'].mean():.3g} ms, "
                f"95th percentile {group['p95_ms_1'].mean():.3g} ms"
            )
        found.append((kind, n, cost, math.nan, accuracy, math.nan, "<br>".join(lines)))
    return found


def _traces(found: list[tuple[Any, ...]], key: str) -> list[dict[str, Any]]:
    """A line through sliced-n and a point a base; rings where another network is better."""
    front = on_front(np.array([row[2] for row in found]), np.array([row[4] for row in found]))
    traces = []
    for kind in _KINDS:
        rows = [(*row, best) for row, best in zip(found, front, strict=True) if row[0] == kind]
        if not rows:
            continue
        _, n, cost, low, mean, high, texts, best = zip(*rows, strict=True)
        symbol = "triangle-down" if kind == "sliced" else "circle"
        trace = points_trace(cost, mean, colour=kind, symbol=symbol, switch=kind, texts=texts)
        trace["marker"]["symbol"] = [symbol if b else f"{symbol}-open" for b in best]
        trace["marker"]["size"] = 10
        if all(math.isfinite(value) for value in low):
            trace["error_y"] = {**bars(low, mean, high), "color": f"@{kind}/0.5"}
        if kind == "sliced":
            trace |= {
                "mode": "lines+markers+text",
                "text": [str(int(value)) for value in n],
                "textposition": "top left",
            }
        trace["meta"] = {"switch": kind, "when": {"cost": key}}
        traces.append(trace)
    return traces
