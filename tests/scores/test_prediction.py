"""The rule on made-up probes; what studies answer, from networks whose accuracy is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.made_study import make_study, run_of
from transfer.errors import TransferError
from transfer.scores.agreement import read_predictions
from transfer.scores.prediction import (
    COLUMNS,
    PROBE,
    check_predictions,
    in_words,
    predict,
)
from transfer.statistics.comparison import against_base, read_tested

N = range(1, 14)


def probes(values):
    """A table of scores with these probes, the stem's first, and a score that is not looked at."""
    rows = [(block, PROBE, value) for block, value in enumerate(values)]
    rows += [(block, "logme", -value) for block, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["block", "score", "value"]).sample(frac=1, random_state=0)


def test_general_ends_before_the_probe_falls_by_more_than_the_margin_below_an_earlier_block():
    values = [0.5, 0.6, 0.7, 0.695, 0.691, 0.68, 0.9, *[0.9] * 7]
    assert predict(probes(values))["general up to"] == 4
    assert predict(probes(np.linspace(0.5, 0.9, 14)))["general up to"] == 13
    assert predict(probes([0.9, *[0.7] * 13]))["general up to"] == 0


def test_the_cut_is_after_the_first_block_within_the_margin_of_the_best():
    values = [0.899, 0.6, 0.7, 0.895, 0.9, 0.85, *[0.8] * 8]  # the stem cannot be a cut
    assert predict(probes(values))["cut after"] == 3
    assert predict(probes([0.5] * 14))["cut after"] == 1
    assert predict(probes([0.5] * 14), margin=0.5)["cut after"] == 1


def test_a_probe_of_every_block_is_needed():
    for table in (probes([0.5] * 14).query("block != 3"), probes([])):
        with pytest.raises(TransferError, match="ridge_probe"):
            predict(table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """AnB holds to n = 8; sliced-4 and more hold, sliced-3 cannot be told. baseB: 0.8."""
    accuracies = {("baseB", None): 0.8}
    accuracies |= {("AnB", n): 0.83 if n <= 8 else 0.6 for n in N}
    accuracies |= {("sliced", n): 0.83 if n >= 4 else 0.6 for n in N}
    accuracies[("sliced", 3)] = 0.789
    return make_study(tmp_path_factory.mktemp("made") / "study", accuracies)


def left_open(folder):
    """The least and the greatest n that a study allows, by question."""
    table = check_predictions(probes([0.5] * 14), folder).set_index("question")
    return {q: (row["answer_low"], row["answer_high"]) for q, row in table.iterrows()}


def test_a_study_leaves_open_what_its_tests_leave_undecided(folder):
    outcomes = {key: c.outcome for key, c in against_base(read_tested(folder)).items()}
    assert outcomes["sliced", 3, ""] == "undecided"
    assert left_open(folder) == {"general up to": (8, 8), "cut after": (3, 4)}


def test_questions_whose_networks_were_not_all_run_with_seeds_are_not_answered(tmp_path):
    accuracies = {("baseB", None): 0.8} | {("sliced", n): 0.9 for n in (1, 4)}
    accuracies |= {run_of("AnB", n, 0): 0.9 for n in N}  # one seed
    assert left_open(make_study(tmp_path / "made", accuracies)) == {}


def test_a_study_of_which_nothing_passes_has_no_general_block_and_no_cut(tmp_path):
    accuracies = {("baseB", None): 0.8} | {(k, n): 0.6 for k in ("AnB", "sliced") for n in N}
    found = left_open(make_study(tmp_path / "made", accuracies))
    assert found == {"general up to": (0, 0), "cut after": (13, 13)}


def test_predictions_are_checked_against_the_study(folder):
    values = [0.5, 0.6, 0.7, *[0.8] * 6, *[0.7] * 5]
    found = check_predictions(probes(values), folder).set_index("question")
    assert tuple(found.reset_index().columns) == COLUMNS
    assert found["predicted"].to_dict() == {"general up to": 8, "cut after": 3}
    assert found["right"].tolist() == [True, True]
    compared = against_base(read_tested(folder))["sliced", 3, ""].difference
    row = found.loc["cut after", ["difference", "difference_low", "difference_high"]]
    assert row.tolist() == pytest.approx([compared.estimate, *compared.interval(0.9)])
    wrong = check_predictions(probes([0.9, *[0.7] * 13]), folder).set_index("question")
    assert wrong["predicted"].tolist() == [0, 1]
    assert wrong["right"].tolist() == [False, False]
    assert np.isnan(wrong.loc["general up to", "difference"])


def test_the_sentence_says_how_often_such_predictions_were_right():
    record = pd.DataFrame(
        [
            ("a", "cut after", 4, 3, 5, True),
            ("b", "cut after", 9, 3, 12, True),
            ("c", "cut after", 1, 7, 7, False),
        ],
        columns=["study", "question", "predicted", "answer_low", "answer_high", "right"],
    )
    said = in_words(probes(np.linspace(0.5, 0.9, 14)), record)
    assert "general up to n = 13" in said[0]
    assert "cut after n = 13" in said[0]
    # 3, 10 and 1 of 13 values are left open: a random one would be right on 14/13 studies.
    assert said[1:] == [
        "Of 3 committed studies, `cut after n` was right on 2. An n drawn at random would be right "
        "on 1.1, since each study leaves several n open."
    ]


def test_without_a_record_what_is_said_of_the_committed_studies_is_true():
    assert "about as often as an n drawn at random" in in_words(probes([0.5] * 14))[1]
    record = read_predictions(Path(__file__).parents[2] / "experiments-results")
    at_random = (record["answer_high"] - record["answer_low"] + 1) / 13
    spread = np.sqrt((at_random * (1 - at_random)).sum())
    assert abs(record["right"].sum() - at_random.sum()) < 2 * spread
