"""The record of the committed studies is what its parts give."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.made_study import make_study
from tests.study_files import committed
from transfer.errors import TransferError
from transfer.scores.agreement import (
    agreement,
    measured,
    read_agreement,
    read_predictions,
    write_record,
)
from transfer.scores.prediction import PROBE, check_predictions
from transfer.scores.table import read_scores, write_scores

RESULTS = Path(__file__).parents[2] / "experiments-results"
COMMITTED = RESULTS / "agreement"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two studies of which one has scores of blocks 0 to 13."""
    folder = tmp_path_factory.mktemp("results")
    accuracies = {("baseB", None): 0.8}
    accuracies |= {(kind, n): 0.5 + 0.03 * n for kind in ("AnB", "sliced") for n in range(1, 14)}
    make_study(folder / "first", accuracies)
    make_study(folder / "without-scores", {("baseB", None): 0.8})
    rows = [(block, PROBE, 0.5 + 0.02 * block, 0.0) for block in range(14)]
    rows += [(block, "logme_positions", -0.1 * block, 0.0) for block in range(14)]
    scores = pd.DataFrame(rows, columns=["block", "score", "value", "seconds"])
    write_scores(folder / "first", scores)
    write_record(folder)
    return folder


def test_both_tables_are_those_of_their_parts(results):
    scores = read_scores(results / "first")
    expected = agreement(scores, measured(results / "first"))
    found = read_agreement(results)
    assert set(found.pop("study")) == {"first"}
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)
    expected = check_predictions(scores, results / "first")
    found = read_predictions(results)
    pd.testing.assert_frame_equal(
        found.drop(columns="study"), expected, check_dtype=False, rtol=1e-5
    )


def test_writing_it_again_gives_the_same_bytes(results):
    files = [path for path in (results / "agreement").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert {path.name for path in files} == {"agreement.csv", "predictions.csv"}
    write_record(results)
    assert {path: path.read_bytes() for path in files} == before


def test_a_study_of_one_seed_has_agreement_and_no_prediction(results, tmp_path):
    accuracies = {("baseB", None): 0.8} | {("AnB", n): 0.5 + 0.03 * n for n in range(1, 14)}
    for name, seeds in (("several", (0, 1)), ("one", (0,))):
        make_study(tmp_path / name, accuracies, seeds)
        write_scores(tmp_path / name, read_scores(results / "first"))
    write_record(tmp_path)
    assert set(read_agreement(tmp_path)["study"]) == {"one", "several"}
    assert set(read_predictions(tmp_path)["study"]) == {"several"}
    text = (tmp_path / "agreement/predictions.csv").read_text()
    assert max(len(cell) for cell in text.split("\n")[1].split(",")[5:]) < 13  # six digits
    (tmp_path / "several/scores.csv").unlink()
    with pytest.raises(TransferError, match="two seeds"):
        write_record(tmp_path)


def test_a_folder_without_scores_or_with_another_table_is_refused(tmp_path):
    with pytest.raises(TransferError, match="scores"):
        write_record(tmp_path)
    (tmp_path / "agreement").mkdir()
    for content in ("", "study,score\na,b\n", "\x00\x01"):
        (tmp_path / "agreement/agreement.csv").write_text(content)
        (tmp_path / "agreement/predictions.csv").write_text(content)
        for read in (read_agreement, read_predictions):
            with pytest.raises(TransferError, match="missing or malformed"):
                read(tmp_path)


def test_the_committed_record_covers_the_committed_scores():
    studies = {path.name for path in committed("scores.csv")}
    assert {"donkey-imagenet-fast", "lanes-fractals", "lanes-imagenet"} <= studies
    assert set(read_agreement(RESULTS)["study"]) == studies
    assert set(read_predictions(RESULTS)["study"]) <= studies


@pytest.mark.slow
def test_the_committed_record_is_what_the_committed_studies_give():
    for study, table in read_agreement(RESULTS).groupby("study"):
        expected = agreement(read_scores(RESULTS / study), measured(RESULTS / study))
        numbers = list(expected.select_dtypes("number").columns)
        np.testing.assert_allclose(table[numbers], expected[numbers], atol=1e-5)
    for study, table in read_predictions(RESULTS).groupby("study"):
        expected = check_predictions(read_scores(RESULTS / study), RESULTS / study)
        columns = ["question", "predicted", "answer_low", "answer_high", "right"]
        assert table[columns].values.tolist() == expected[columns].values.tolist()
