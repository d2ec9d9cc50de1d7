"""A run's row, of a network that is not trained: what it answers is made up."""

import numpy as np
import pytest

from tests.conftest import CLASSES, coloured_images
from tests.study_files import SETTINGS
from transfer.results import read_predictions
from transfer.runs import parse_run
from transfer.studies import execute as execution
from transfer.studies.execute import execute
from transfer.study_file import Context
from transfer.tasks.dataset import Split, write_dataset
from transfer.training.loop import Progress

TEST = np.repeat([0, 1, 2], [30, 12, 6])


@pytest.fixture
def context(tmp_path):
    """A data set whose test split has five times as many images of one class as of another."""
    splits = {name: coloured_images(36, seed) for seed, name in enumerate(("train", "valid"))}
    images = coloured_images(len(TEST), 2).images
    splits["test"] = Split(images, TEST)
    write_dataset(tmp_path / "data", splits, name="skewed", classes=CLASSES, recipe={})
    return Context(tmp_path / "study", tmp_path / "data", None, SETTINGS)


def test_the_balanced_columns_of_a_row_are_of_as_many_images_of_each_class(context, monkeypatch):
    answers = np.eye(3, dtype=np.float32)[np.zeros(len(TEST), int)]  # always the commonest

    class Answers:
        def start(self, weights, seed):
            """Nothing to start."""

        def predict(self, images):
            assert len(images) == len(TEST)
            return answers

    log = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5)
    progress = Progress([{"epoch": 1, "seconds": 1.0, **log}], 1, 0.5)
    monkeypatch.setattr(execution, "_trainer", lambda setting: Answers())
    monkeypatch.setattr(execution, "fit", lambda trainer, start, *_: (progress, start))
    row = execute(parse_run("baseB_s0"), context)
    assert row["test_accuracy"] == 30 / 48
    assert row["test_balanced_accuracy"] == pytest.approx(1 / 3)
    assert row["test_equals_accuracy"] == 6 / 18
    np.testing.assert_array_equal(read_predictions(context.study_dir, "baseB_s0"), answers)
