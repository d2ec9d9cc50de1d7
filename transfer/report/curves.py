"""Learning curves from the epoch logs: one kind at a time, a line a value of n."""

from typing import Any

import pandas as pd

from transfer.answers.wording import count_seeds
from transfer.errors import TransferError
from transfer.figures.style import KIND_LABELS, KIND_STYLE
from transfer.report.chart import Chart, Choice, Switch, kind_switch, number
from transfer.report.facts import Facts
from transfer.results import read_log
from transfer.runs import BN_SEMANTICS, parse_run

_VALUES = {
    "val_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "val_loss": "validation loss",
    "loss": "training loss",
}
_BASES = ("baseB", "baseB+")


def learning_curves(facts: Facts) -> tuple[Chart, int]:
    """Mean over seeds of each network's epochs; and how many runs have no log.

    Raises
    ------
    TransferError
        If no run on all training images has a log.
    """
    logs, missing = {}, 0
    for run in facts.whole["run"]:
        try:
            logs[str(run)] = read_log(facts.folder, str(run))
        except TransferError:
            missing += 1
    if not logs:
        raise TransferError("Learning curves are left out: no epoch log of a run is in logs/.")
    traces: list[dict[str, Any]] = []
    shown: dict[str, Switch] = {}
    options: dict[str, str] = {}
    for (kind, bn), of_kind in facts.whole.groupby(["kind", "bn"], sort=False):
        key = f"{kind} {bn}"
        for n, group in of_kind.groupby("n", dropna=False):
            found = [logs[str(run)] for run in group["run"] if str(run) in logs]
            if not found:
                continue
            network = parse_run(str(group["run"].iloc[0])).network
            base = kind in _BASES
            switch = str(kind) if base else f"n{n}"
            if not base:
                options[key] = _label(str(kind), str(bn))
            shown[switch] = kind_switch(switch) if base else Switch(switch, str(n), switch, "━")
            for value in _VALUES:
                when = {"value": value} | ({} if base else {"kind": key})
                traces.append(_curve(network, found, value, switch, when))
    order = sorted(
        shown, key=lambda key: (key not in _BASES, key if key in _BASES else int(key[1:]))
    )
    choices: tuple[Choice, ...] = (Choice("value", "Value", tuple(_VALUES.items())),)
    if options:
        in_order = sorted(options.items(), key=lambda option: _order(option[0]))
        choices = (Choice("kind", "Kind", tuple(in_order)), *choices)
    return Chart(
        "curves",
        "Learning curves: accuracy or loss against the epoch, a line a value of n",
        traces,
        {"xaxis": {"title": {"text": "epoch"}, "dtick": 1 if _longest(logs) < 20 else None}},
        tuple(shown[key] for key in order),
        "Shown: the bases, and n",
        choices,
        {value: {"yaxis": {"title": {"text": label}}} for value, label in _VALUES.items()},
    ), missing


def _longest(logs: dict[str, pd.DataFrame]) -> int:
    return max(len(log) for log in logs.values())


def _label(kind: str, bn: str) -> str:
    return KIND_LABELS[kind] + (f", BatchNorm {bn}" if bn not in ("", "inference") else "")


def _order(key: str) -> tuple[int, int]:
    """AnB first: it is what the study is about."""
    kind, bn = key.split(" ")
    kinds = ["AnB", *(other for other in KIND_STYLE if other != "AnB")]
    return kinds.index(kind), ("", *BN_SEMANTICS).index(bn)


def _curve(
    network: str, logs: list[pd.DataFrame], value: str, switch: str, when: dict[str, str]
) -> dict[str, Any]:
    by_epoch = pd.concat(logs).groupby("epoch")[value].mean()
    base = switch in _BASES
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{network}, {count_seeds(len(logs))}",
        "x": [int(epoch) for epoch in by_epoch.index],
        "y": [number(float(mean)) for mean in by_epoch],
        "hovertemplate": "<b>%{fullData.name}</b><br>epoch %{x}: %{y:.3f}<extra></extra>",
        "line": {
            "color": f"@{switch}",
            "width": 2.2 if base else 1.4,
            "dash": "dash" if switch == "baseB+" else "solid",
        },
        "marker": {"color": f"@{switch}", "size": 4},
        "meta": {"switch": switch, "when": when},
    }
