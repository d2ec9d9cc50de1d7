"""Where to cut, predicted from the scores of one forward pass, and how often that came true.

The rule looks at the ridge probe alone: its score is an accuracy, as the verdict's is, so that the
verdict's margin of one point can be its margin too. Nothing in it was fitted to a study.

- ``general up to n``: the largest n for which no block 1 to n has a probe more than the margin
  below that of an earlier block (the stem included). Where the probe falls, something that the
  target needs is gone.
- ``cut after n``: the smallest n of 1 or more whose probe is within the margin of the best block's.

A study answers the same questions by training, and not always with one number: see `answers`. A
prediction is right if it is one of the n that the study leaves open.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.results import read_runs
from transfer.runs import BLOCKS
from transfer.statistics.comparison import blocks_of_neighbours, paired
from transfer.statistics.intervals import Comparison, non_inferior

PROBE = "ridge_probe"
MARGIN = 0.01  #: the verdict's
#: The questions, and the kind of network whose accuracy answers each.
QUESTIONS = {"general up to": "AnB", "cut after": "sliced"}
COLUMNS = (
    "question", "predicted", "answer_low", "answer_high", "right",
    "difference", "difference_low", "difference_high",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a study says of one question: the true n is one of ``low`` to ``high``."""

    low: int
    high: int


def predict(scores: pd.DataFrame, margin: float = MARGIN) -> dict[str, int]:
    """``general up to`` and ``cut after``, each an n, by the rule above.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``block``, ``score``, ``value``, as in scores.csv, with `PROBE` for the stem and
        every block.
    margin : float
        In units of accuracy.

    Raises
    ------
    TransferError
        If a block has no probe.
    """
    of_probe = scores[scores["score"] == PROBE].set_index("block")["value"].sort_index()
    if of_probe.index.tolist() != list(range(len(of_probe))) or len(of_probe) < 2:
        raise TransferError(
            f"Expected the score {PROBE} of the stem and of every block. Received: that of blocks "
            f"{', '.join(map(str, of_probe.index)) or 'none'}."
        )
    falls = of_probe < of_probe.cummax() - margin
    general = int(falls.idxmax()) - 1 if falls.any() else int(of_probe.index[-1])
    kept = of_probe.iloc[1:]
    good = kept >= kept.max() - margin
    return {"general up to": general, "cut after": int(good.idxmax())}


def answers(study_dir: str | Path, margin: float = MARGIN) -> dict[str, Answer]:
    """What the trained networks of a study leave open, by the verdict's tests against baseB.

    ``general up to``: at least the n up to which A1B, A2B, ... all pass, at most the last before
    the first that is worse by more than the margin. ``cut after``: from the first sliced-n that
    is not worse by more than the margin to the first that passes (all 13 blocks if none does).
    Between the two ends the study is undecided. Networks of one seed are left out, since what
    another seed would give is not known.

    Returns
    -------
    dict from question to Answer
        Without the questions whose networks, every n from 1 to 13, were not run.

    Raises
    ------
    TransferError
        If the folder holds no study, or its predictions do not belong to its ``runs.csv``.
    """
    return _left_open(_tested_by_question(study_dir, margin))


def _left_open(tested: dict[str, dict[int, Comparison]]) -> dict[str, Answer]:
    general, cut = (
        {n: comparison.outcome for n, comparison in tested[question].items()}
        for question in QUESTIONS
    )
    every = list(range(1, BLOCKS + 1))
    found = {}
    if list(general) == every:
        stop = next((n for n in every if general[n] != "non-inferior"), BLOCKS + 1)
        worse = next((n for n in every if general[n] == "inferior"), BLOCKS + 1)
        found["general up to"] = Answer(stop - 1, worse - 1)
    if list(cut) == every:
        passes = next((n for n in every if cut[n] == "non-inferior"), BLOCKS)
        possible = next((n for n in every if cut[n] != "inferior"), BLOCKS)
        found["cut after"] = Answer(possible, passes)
    return found


def check_predictions(
    scores: pd.DataFrame, study_dir: str | Path, margin: float = MARGIN
) -> pd.DataFrame:
    """The predictions of a study's scores beside what its trained networks say.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row a question that the study answers. ``difference`` is the
        accuracy of the network at the predicted n (ApB, sliced-p) minus that of baseB, with the
        verdict's one-sided 95 % bounds; NaN for n = 0.

    Raises
    ------
    TransferError
        See `predict` and `answers`.
    """
    predicted = predict(scores, margin)
    tested = _tested_by_question(study_dir, margin)
    rows = []
    for question, answer in _left_open(tested).items():
        n = predicted[question]
        seen = tested[question][n].difference if n else None
        bounds = (seen.estimate, seen.low, seen.high) if seen else (math.nan,) * 3
        right = answer.low <= n <= answer.high
        rows.append((question, n, answer.low, answer.high, right, *bounds))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested_by_question(study_dir: str | Path, margin: float) -> dict[str, dict[int, Comparison]]:
    return {question: _tested(study_dir, kind, margin) for question, kind in QUESTIONS.items()}


def _tested(study_dir: str | Path, kind: str, margin: float) -> dict[int, Comparison]:
    """Every n of a kind against baseB, n from 1 on, with the seeds both have; two or more."""
    runs = read_runs(study_dir)
    runs = runs[(runs["fraction"] == 1.0) & runs["bn"].isin(["", "inference"])]
    base = runs[runs["kind"] == "baseB"]
    found = {}
    for n, group in runs[(runs["kind"] == kind) & (runs["n"] > 0)].groupby("n"):
        both = paired(study_dir, group, base)
        if both and len(both[0]) > 1:
            blocks = blocks_of_neighbours(both[0].shape[1])
            found[int(n)] = non_inferior(*both, margin=margin, blocks=blocks)
    return found


def in_words(scores: pd.DataFrame, record: pd.DataFrame | None) -> list[str]:
    """The predictions of a table of scores, and how often such predictions were right.

    Parameters
    ----------
    scores : pandas.DataFrame
        See `predict`.
    record : pandas.DataFrame or None
        Columns ``study`` and `COLUMNS`, as from `transfer.scores.record.read_predictions`; None
        where the repository with the committed studies is not at hand.
    """
    predicted = predict(scores)
    sentences = [
        f"Predicted from the ridge probe: general up to n = {predicted['general up to']} (no "
        "block so far is more than one point below an earlier one), cut after n = "
        f"{predicted['cut after']} (the first block within one point of the best)."
    ]
    if record is None:
        return [
            *sentences,
            "How often such predictions were right is recorded in the repository, in "
            "experiments-results/agreement, which is not at hand here.",
        ]
    for question in QUESTIONS:
        of_question = record[record["question"] == question]
        if of_question.empty:
            continue
        choices = BLOCKS + (
            question == "general up to"
        )  # 0 can be general, but nothing is cut at 0
        open_n = of_question["answer_high"] - of_question["answer_low"] + 1
        sentences.append(
            f"Of committed studies, `{question} n` was right on {int(of_question['right'].sum())} "
            f"of {len(of_question)}; an n drawn at random would be on "
            f"{open_n.sum() / choices:.1f}, since the studies leave several n open."
        )
    return sentences
