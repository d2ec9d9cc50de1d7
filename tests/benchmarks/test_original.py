"""The original software: its README agrees with its table, and the table with the predictions."""

import ast

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from benchmarks.original.table import README, RESULTS, rewritten
from transfer.results import read_test_labels

SAME_TEST_IMAGES = "experiments-results/donkey-imagenet"


def test_the_readme_has_the_means_of_the_table():
    readme = README.read_text()
    assert rewritten(readme, pd.read_csv(RESULTS)) == readme


def test_the_accuracies_of_the_table_are_those_of_the_predictions():
    labels = read_test_labels(SAME_TEST_IMAGES)
    rows = pd.read_csv(RESULTS)
    with np.load(RESULTS.with_suffix(".npz")) as archive:
        assert len(archive.files) == len(rows)
        for row in rows.itertuples():
            predicted = archive[f"{row.run}-{row.seed}-alpha{row.alpha}-{row.input}"].argmax(1)
            # float16 makes a tie of what was nearly one: up to two images may change sides.
            assert accuracy_score(labels, predicted) == pytest.approx(row.test_accuracy, abs=2e-3)
            balanced = balanced_accuracy_score(labels, predicted)
            assert balanced == pytest.approx(row.test_balanced_accuracy, abs=6e-3)


@pytest.mark.parametrize("name", ["train.py", "record.py"])
def test_the_scripts_are_python_3_6(name):
    ast.parse((README.parent / name).read_text(), feature_version=(3, 6))
