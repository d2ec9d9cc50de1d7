"""What sliced-n costs and what it is worth: parameters, multiply-adds, and measured files."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from transfer.deploy.costs.pareto import on_front
from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.errors import TransferError
from transfer.figures.style import KINDS, METRIC_NAME, mean_and_interval
from transfer.report.chart import Chart, Choice, Trace, axis, bars, line, ring, switch
from transfer.report.charts import network_text
from transfer.wording import count_seeds, file_size

_KINDS = ("sliced", "baseB", "baseB+")
_COLUMNS = ["kind", "n", "cost", "mean", "low", "high", "text"]


def cost_chart(runs: pd.DataFrame, files: pd.DataFrame, recommended: int | None = None) -> Chart:
    """Accuracy against cost: sliced-n as a line, the bases as points, the Pareto front filled."""
    runs = runs[runs["kind"].isin(_KINDS)]
    if not (runs["kind"] == "sliced").any():
        raise TransferError(
            "Accuracy against cost is left out: sliced-n was not run (--kinds sliced adds it)."
        )
    tables = {
        "parameters": ("parameters", _of_runs(runs, "parameters")),
        "multiply_adds": ("multiply-adds an image", _of_runs(runs, "multiply_adds")),
    }
    files = files[files["kind"].isin(_KINDS)]
    for name, measured in files.groupby("format", sort=False):
        for column, what in (("file_bytes", "file, bytes"), ("median_ms", "latency, ms")):
            label = f"{what}, {FORMAT_LABELS[str(name)]}"
            tables[f"{column} {name}"] = label, _of_files(measured, column)
    # A cost of 0 is not what this program writes, and cannot be drawn on a logarithmic axis.
    tables = {
        key: (label, positive)
        for key, (label, table) in tables.items()
        if not (positive := table[table["cost"] > 0]).empty
    }
    if not tables:
        raise TransferError("Accuracy against cost is left out: runs.csv has no costs above 0.")
    options = tuple((key, label) for key, (label, _) in tables.items())
    switches = [switch(kind) for kind in _KINDS if (runs["kind"] == kind).any()]
    # A base is a point here, not a line.
    switches = [one if one.key in KINDS else replace(one, glyph="●") for one in switches]
    return Chart(
        "cost",
        f"{METRIC_NAME.capitalize()} of sliced-n against what it costs, with the Pareto front",
        [trace for key, (_, table) in tables.items() for trace in _traces(table, key, recommended)],
        {"yaxis": axis(METRIC_NAME)},
        tuple(switches),
        "Networks shown",
        (Choice("cost", "Cost", options),),
        {key: {"xaxis": _axis(label, table["cost"])} for key, (label, table) in tables.items()},
    )


def _axis(label: str, costs: pd.Series) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5 of each power of ten."""
    powers = range(math.floor(math.log10(costs.min())), math.ceil(math.log10(costs.max())) + 1)
    steps = (1, 2, 5) if len(powers) < 5 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    texts = [_short(tick) for tick in ticks]
    return axis(f"{label} (logarithmic)", type="log", tickvals=ticks, ticktext=texts)


def _short(value: float) -> str:
    """``0.2``, ``500``, ``20k``, ``5M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _of_runs(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Networks with their cost, columns `_COLUMNS`, n rising."""
    rows = []
    for (kind, n), group in runs.groupby(["kind", "n"], dropna=False):
        first = group.iloc[0]
        text = (
            f"{network_text(group)}<br>{int(first['parameters']):,} parameters, "
            f"{int(first['multiply_adds']):,} multiply-adds"
        )
        rows.append((kind, n, float(first[column]), *mean_and_interval(group), text))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_files(files: pd.DataFrame, column: str) -> pd.DataFrame:
    """Exported files with their cost, columns `_COLUMNS`, n rising."""
    rows = []
    for _, row in files.sort_values("n").iterrows():
        lines = [
            f"<b>{row['network']}</b>, {FORMAT_LABELS[str(row['format'])]}",
            f"{METRIC_NAME} of the file {row['accuracy']:.3f} (95 % {row['low']:.3f} to "
            f"{row['high']:.3f}, {count_seeds(row['seeds'])})",
            file_size(float(row["file_bytes"])),
        ]
        if pd.notna(row["median_ms"]):
            lines.append(
                f"one thread: median {row['median_ms']:.3g} ms, 95th percentile "
                f"{row['p95_ms']:.3g} ms"
            )
        numbers = row[[column, "accuracy", "low", "high"]].astype(float)
        rows.append((row["kind"], row["n"], *numbers, "<br>".join(lines)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _traces(table: pd.DataFrame, key: str, recommended: int | None) -> list[Trace]:
    """A line through sliced-n, a point for each base; rings where another network is better."""
    costs, means = (table[column].to_numpy(float) for column in ("cost", "mean"))
    table = table.assign(front=on_front(costs, means))
    chosen = table[(table["kind"] == "sliced") & (table["n"] == recommended)]
    traces = [
        ring(row["cost"], row["mean"], "sliced", {"cost": key})
        for row in chosen.head(1).to_dict("records")
    ]
    for kind in _KINDS:
        rows = table[table["kind"] == kind]
        if rows.empty:
            continue
        meta = {"switch": kind, "when": {"cost": key}}
        trace = line(
            kind, rows["cost"], rows["mean"], rows["text"], mode="lines+markers", meta=meta
        )
        symbol = trace["marker"]["symbol"]
        symbols = [symbol if best else f"{symbol}-open" for best in rows["front"]]
        trace["marker"] |= {"symbol": symbols, "size": 10}
        if rows["low"].notna().all():
            trace["error_y"] = bars(rows["low"], rows["mean"], rows["high"], f"{kind}/0.5")
        if kind == "sliced":
            texts = [f"{n:.0f}" for n in rows["n"]]
            trace |= {"mode": "lines+markers+text", "text": texts, "textposition": "top left"}
        traces.append(trace)
    return traces
