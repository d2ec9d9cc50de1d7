"""The check names every problem in a sentence and sums up what is there."""

import numpy as np
import pytest

from transfer.runs import PROTOCOLS
from transfer.tasks.checks.check import check
from transfer.tasks.dataset import SPLITS, Split, write_dataset

LABELS = np.repeat([0, 1, 2], [60, 30, 30])


def write(out, recordings=None, copies=False):
    rng = np.random.default_rng(0)
    splits = {}
    for number, name in enumerate(SPLITS):
        images = rng.integers(0, 256, (120, 6, 8, 3), np.uint8)
        if copies and name != "train":
            images = splits["train"].images
        known = None if recordings is None else recordings(number)
        splits[name] = Split(images, LABELS, known)
    write_dataset(out, splits, name="small", height=6, width=8, recipe={})
    return out


def test_a_sound_data_set_has_a_summary_and_no_problem(tmp_path):
    problems, lines = check(write(tmp_path / "set", lambda n: np.arange(120) // 10 + 100 * n))
    assert problems == []
    text = "\n".join(lines)
    assert "train: 120 images in 12 recordings: forward 60 (50.0%), left 30 (25.0%)" in text
    assert "leakage: none seen" in text
    assert (
        "note: A linear classifier fitted on train sees no relation between the images of train"
        in text
    )  # they are noise


def test_a_recording_in_two_splits_is_a_problem(tmp_path):
    problems, _ = check(write(tmp_path / "set", lambda n: np.arange(120) // 10 + 11 * n))
    assert len(problems) == 2  # train and valid share one, valid and test another
    assert "1 in both train and valid, for example 11" in problems[0]


@pytest.mark.parametrize("known", [None, lambda n: np.arange(120) // 10 + 100 * n])
def test_copies_in_the_test_set_are_a_problem(tmp_path, known):
    problems, lines = check(write(tmp_path / "set", known, copies=True))
    assert len(problems) == 4
    assert "split by recording" in problems[0]
    assert "In valid 120 of 120 images are in train too" in problems[1]
    assert "In test 120 of 120 images are in train too" in problems[2]
    assert "In test 120 of 120 images are in valid too" in problems[3]
    assert any("leakage: yes" in line for line in lines)


def test_a_data_set_that_cannot_be_loaded_is_one_problem(tmp_path):
    (write(tmp_path / "set") / "test_data.npy").write_bytes(b"not an array")
    problems, lines = check(tmp_path / "set")
    assert len(problems) == 1
    assert "test_data.npy" in problems[0]
    assert lines == []


def test_fewer_images_than_a_batch_are_a_problem_as_they_are_for_a_study(tmp_path):
    def few(count):
        labels = np.arange(count) % 3
        images = np.random.default_rng(0).integers(0, 256, (count, 6, 8, 3), np.uint8)
        return Split(images, labels)

    for count in (31, 32):
        splits = {name: few(count if name == "train" else 60) for name in SPLITS}
        out = tmp_path / str(count)
        write_dataset(out, splits, name="few", height=6, width=8, frames=False, recipe={})
        problems = [problem for problem in check(out)[0] if "a batch of a study" in problem]
        assert len(problems) == (count < PROTOCOLS["fast"].batch)
