"""Where to cut, predicted from the ridge probe alone, and how often that came true.

``general up to n``: the largest n for which no block 1 to n has a probe more than the margin below
that of an earlier block. ``cut after n``: the smallest n of 1 or more whose probe is within the
margin of the best block's. Nothing in the rule was fitted to a study.
"""

import math
from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.networks.backbone import backbone_in
from transfer.results import read_runs
from transfer.runs import BLOCKS, KERAS_3
from transfer.statistics.comparison import Comparison, against_base, read_tested

PROBE = "ridge_probe"
MARGIN = 0.01  #: the verdict's
#: The questions, and the kind of network whose accuracy answers each.
QUESTIONS = {"general up to": "AnB", "cut after": "sliced"}
COLUMNS = (
    *("question", "predicted", "answer_low", "answer_high", "right"),
    *("difference", "difference_low", "difference_high"),
)


def predict(scores: pd.DataFrame, margin: float = MARGIN) -> dict[str, int]:
    """``general up to`` and ``cut after``, each an n, by the rule above."""
    probes = scores[scores["score"] == PROBE].set_index("block")["value"].sort_index()
    if probes.index.tolist() != list(range(len(probes))) or len(probes) < 2:
        raise TransferError(
            f"Expected the score {PROBE} of the stem and of every block. Received: that of blocks "
            f"{', '.join(map(str, probes.index)) or 'none'}."
        )
    falls = probes < probes.cummax() - margin
    general = int(falls.idxmax()) - 1 if falls.any() else int(probes.index[-1])
    possible_cuts = probes.iloc[1:]
    good = possible_cuts >= possible_cuts.max() - margin
    return {"general up to": general, "cut after": int(good.idxmax())}


def check_predictions(
    scores: pd.DataFrame, study_dir: str | Path, margin: float = MARGIN
) -> pd.DataFrame:
    """The predictions of a study's scores beside what its trained networks say.

    The true answer lies between ``answer_low`` and ``answer_high``: of ``general up to``, from the
    n up to which A1B, A2B, ... all pass to the last before the first that is worse by more than the
    margin; of ``cut after``, from the first sliced-n that is not worse to the first that passes.
    Questions whose networks were not all run with two seeds are left out.
    """
    predicted = predict(scores, margin)
    compared = against_base(read_tested(study_dir), margin, QUESTIONS.values())
    blocks = backbone_in(read_runs(study_dir)).blocks
    rows = []
    for question, kind in QUESTIONS.items():
        tested = {
            n: comparison
            for (of_kind, n, bn), comparison in compared.items()
            if of_kind == kind and n and bn in KERAS_3 and comparison.difference.fewest_seeds > 1
        }
        if sorted(tested) != list(range(1, blocks + 1)):
            continue
        low, high = _left_open(question, tested)
        n = predicted[question]
        seen = tested[n].difference if n else None
        bounds = (seen.estimate, *seen.interval(0.9)) if seen else (math.nan,) * 3
        rows.append((question, n, low, high, low <= n <= high, *bounds))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _left_open(question: str, tested: dict[int, Comparison]) -> tuple[int, int]:
    """The least and the greatest n that a study allows as the answer."""
    blocks = len(tested)
    outcomes = [tested[n].outcome for n in range(1, blocks + 1)]

    def first(outcome: str, is_it: bool, otherwise: int) -> int:
        places = (n for n, o in enumerate(outcomes, 1) if (o == outcome) == is_it)
        return next(places, otherwise)

    if question == "general up to":
        stop = first("shown", False, blocks + 1)
        return stop - 1, first("shown not", True, blocks + 1) - 1
    return first("shown not", False, blocks), first("shown", True, blocks)


def in_words(scores: pd.DataFrame, record: pd.DataFrame | None = None) -> list[str]:
    """The predictions of a table of scores, and how often such predictions were right."""
    predicted = predict(scores)
    sentences = [
        f"Predicted from the ridge probe: general up to n = {predicted['general up to']} (no "
        "block so far is more than one point below an earlier one), cut after n = "
        f"{predicted['cut after']} (the first block within one point of the best)."
    ]
    if record is None:
        return [
            *sentences,
            "Such predictions were right on the project's own studies about as often as an n drawn "
            "at random (experiments-results/agreement in the repository): they do not replace a "
            "study.",
        ]
    for question, rows in record.groupby("question", sort=False):
        # 0 can be general, but nothing is cut at 0. The committed studies are of MobileNet v1.
        choices = BLOCKS + (question == "general up to")
        open_n = rows["answer_high"] - rows["answer_low"] + 1
        sentences.append(
            f"Of {len(rows)} committed studies, `{question} n` was right on "
            f"{int(rows['right'].sum())}. An n drawn at random would be right on "
            f"{open_n.sum() / choices:.1f}, since each study leaves several n open."
        )
    return sentences
