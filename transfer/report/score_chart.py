"""Transferability scores of every block, where ``scores.csv`` lies in the study's folder."""

import math
from typing import Any

import pandas as pd

from transfer.errors import TransferError
from transfer.report.chart import Chart, Choice, points_trace
from transfer.report.facts import Facts
from transfer.runs import BLOCKS
from transfer.scores.agreement import agreement, measured
from transfer.scores.table import read_scores, score_name


def score_chart(facts: Facts) -> tuple[Chart, list[dict[str, str]]]:
    """A score against the block, chosen from a list; and how each agrees with measured accuracy.

    Raises
    ------
    TransferError
        If there are no scores, or the table is malformed.
    """
    if not (facts.folder / "scores.csv").exists():
        raise TransferError(
            "Transferability scores are left out: there is no scores.csv in the folder (`python "
            f"-m transfer scores --data ... --out {facts.folder}` writes it)."
        )
    scores = read_scores(facts.folder)
    scores = scores[scores["block"].between(0, BLOCKS)]
    known = {name: label for name in scores["score"].unique() if (label := score_name(str(name)))}
    many = {name for name, of_score in scores.groupby("score") if len(of_score) > 1}
    options = [(str(name), label) for name, label in known.items() if name in many]
    if not options:
        raise TransferError("Transferability scores are left out: scores.csv holds none known.")
    traces: list[dict[str, Any]] = []
    for name, label in options:
        of_score = scores[scores["score"] == name].sort_values("block")
        best = of_score["value"].idxmax()
        texts = [
            f"<b>{label}</b><br>{_block(int(row.block))}: {row.value:.4g}"
            + ("<br>the highest" if row.Index == best else "")
            for row in of_score.itertuples()
        ]
        line = points_trace(
            of_score["block"],
            of_score["value"],
            colour="BnB",
            symbol="circle",
            switch="",
            texts=texts,
        )
        traces.append({**line, "meta": {"when": {"score": name}}})
    axis = {"title": {"text": "block; 0 is the stem"}, "range": [-0.5, BLOCKS + 0.5], "dtick": 1}
    return Chart(
        "scores",
        "A transferability score against the block of baseA, without training",
        traces,
        {"xaxis": axis},
        choices=(Choice("score", "Score", tuple(options)),),
        layouts={name: {"yaxis": {"title": {"text": label}}} for name, label in options},
    ), _agreement(scores, facts)


def _block(block: int) -> str:
    return "stem" if block == 0 else f"block {block}"


def _agreement(scores: pd.DataFrame, facts: Facts) -> list[dict[str, str]]:
    """Kendall's tau of each score with measured accuracy, a row a score and kind."""
    try:
        table = agreement(scores, measured(facts.folder))
    except TransferError:  # too few values of n, or no predictions: the chart stands alone
        return []
    return [
        {
            "score": score_name(str(row.score)),
            "kind": str(row.kind),
            "blocks": str(row.blocks),
            "tau": f"{row.tau:+.2f} ({row.tau_low:+.2f} to {row.tau_high:+.2f})",
        }
        for row in table.itertuples()
        if score_name(str(row.score)) and math.isfinite(float(row.tau))
    ]
