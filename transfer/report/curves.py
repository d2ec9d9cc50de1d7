"""Lines over epochs and over blocks: learning curves, and scores without training."""

import math

import pandas as pd

from transfer.errors import TransferError
from transfer.figures.style import BASES, KINDS
from transfer.networks.backbone import backbone_in
from transfer.report.chart import Chart, Choice, Switch, Trace, axis, axis_of_n, line, ring, switch
from transfer.report.summary import Facts
from transfer.results import read_log
from transfer.runs import BN_SEMANTICS, KERAS_3, parse_run
from transfer.scores.agreement import agreement, measured
from transfer.scores.table import read_scores, score_name
from transfer.wording import count_seeds

_VALUES = {
    "val_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "val_loss": "validation loss",
    "loss": "training loss",
}


def learning_curves(facts: Facts, recommended: int | None = None) -> tuple[Chart, int]:
    """Mean over seeds of each network's epochs, and how many runs have no log."""
    logs, missing = {}, 0
    for run in facts.whole["run"]:
        try:
            logs[str(run)] = read_log(facts.folder, str(run))
        except TransferError:
            missing += 1
    if not logs:
        raise TransferError("Learning curves are left out: no run has a log of its epochs.")
    traces: list[Trace] = []
    options: dict[str, str] = {}
    groups = facts.whole.groupby(["kind", "bn", "n"], sort=False, dropna=False)
    for (kind, bn, n), group in groups:
        seeds = [logs[str(run)] for run in group["run"] if str(run) in logs]
        if not seeds:
            continue
        key, when = str(kind), {}
        if kind not in BASES:
            key, when = f"n{n}", {"kind": f"{kind} {bn}"}
            options[when["kind"]] = _label(str(kind), str(bn))
        name = f"{parse_run(str(group['run'].iloc[0])).network}, {count_seeds(len(seeds))}"
        means = pd.concat(seeds).groupby("epoch")[list(_VALUES)].mean()
        bold = kind in BASES or (kind == "sliced" and n == recommended)
        if bold and kind not in BASES:
            name += ", recommended"
        traces += [_curve(name, means[v], key, when | {"value": v}, bold) for v in _VALUES]
    longest = max(len(log) for log in logs.values())
    choices: tuple[Choice, ...] = (Choice("value", "Value", tuple(_VALUES.items())),)
    if options:
        kinds = sorted(options.items(), key=lambda option: _order(option[0], recommended))
        choices = (Choice("kind", "Kind", tuple(kinds)), *choices)
    keys = {trace["meta"]["switch"] for trace in traces}
    switches = [switch(base) for base in BASES if base in keys]
    last = backbone_in(facts.runs).blocks
    switches += [Switch(f"n{n}", str(n), "━") for n in range(last + 1) if f"n{n}" in keys]
    return Chart(
        "curves",
        "Learning curves: accuracy or loss against the epoch, a line for each n",
        traces,
        {"xaxis": axis("epoch", dtick=1 if longest < 20 else None)},
        tuple(switches),
        "Shown: the bases, and n",
        choices,
        {value: {"yaxis": axis(label)} for value, label in _VALUES.items()},
    ), missing


def _label(kind: str, bn: str) -> str:
    return KINDS[kind].label + (f", BatchNorm {bn}" if bn not in KERAS_3 else "")


def _order(option: str, recommended: int | None) -> tuple[int, int]:
    """The kind that is recommended first; else AnB, which the study is about."""
    kind, bn = option.split(" ")
    first = "AnB" if recommended is None else "sliced"
    kinds = [first, *(other for other in KINDS if other != first)]
    return kinds.index(kind), ("", *BN_SEMANTICS).index(bn)


def _curve(name: str, means: pd.Series, key: str, when: dict[str, str], bold: bool) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(means.index),
        "y": list(means),
        "hovertemplate": "<b>%{fullData.name}</b><br>epoch %{x}: %{y:.3f}<extra></extra>",
        "line": {
            "color": f"@{key}",
            "width": 3 if bold else 1.4,
            "dash": "dash" if key == "baseB+" else "solid",
        },
        "marker": {"color": f"@{key}", "size": 4},
        "meta": {"switch": key, "when": when},
    }


def score_chart(facts: Facts, recommended: int | None = None) -> tuple[Chart, list[dict[str, str]]]:
    """A score against the block, chosen from a list; and how each agrees with measured accuracy."""
    if not (facts.folder / "scores.csv").exists():
        raise TransferError(
            "Transferability scores are left out: there is no scores.csv in the folder (`python "
            f"-m transfer scores --data ... --out {facts.folder}` writes it)."
        )
    scores = read_scores(facts.folder)
    last = backbone_in(facts.runs).blocks
    scores = scores[scores["block"].between(0, last)]
    traces: list[Trace] = []
    names: dict[str, str] = {}
    for key, of_score in scores.groupby("score", sort=False):
        name = score_name(str(key))
        if not name or len(of_score) < 2:
            continue
        names[str(key)] = name
        of_score = of_score.sort_values("block")
        best = of_score["value"].idxmax()
        texts = [
            f"<b>{name}</b><br>{f'block {row.block}' if row.block else 'stem'}: {row.value:.4g}"
            + ("<br>the highest" if row.Index == best else "")
            for row in of_score.itertuples()
        ]
        meta = {"when": {"score": str(key)}}
        at = of_score[of_score["block"] == recommended]["value"]
        traces += [ring(int(recommended or 0), at.iloc[0], "", meta["when"])] if len(at) else []
        traces.append(line("BnB", of_score["block"], of_score["value"], texts, meta=meta))
    if not traces:
        raise TransferError("Transferability scores are left out: scores.csv holds none known.")
    return Chart(
        "scores",
        "A transferability score against the block of baseA, without training",
        traces,
        {"xaxis": axis_of_n("block; 0 is the stem", last)},
        choices=(Choice("score", "Score", tuple(names.items())),),
        layouts={key: {"yaxis": axis(name)} for key, name in names.items()},
    ), _agreement(scores, facts)


def _agreement(scores: pd.DataFrame, facts: Facts) -> list[dict[str, str]]:
    """Kendall's tau of each score with measured accuracy, a row for each score and kind."""
    try:
        table = agreement(scores, measured(facts.folder))
    except TransferError:  # too few values of n, or no predictions: the chart stands alone
        return []
    return [
        {
            "score": name,
            "kind": str(row.kind),
            "blocks": str(row.blocks),
            "tau": f"{row.tau:+.2f} ({row.tau_low:+.2f} to {row.tau_high:+.2f})",
        }
        for row in table.itertuples()
        if (name := score_name(str(row.score))) and math.isfinite(float(row.tau))
    ]
