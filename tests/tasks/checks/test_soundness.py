"""Copies, constant images, shuffled and renumbered labels are found, and sound data are not."""

import dataclasses

import numpy as np
import pytest

from transfer.tasks.checks.check import copies_and_constants, labels_and_images
from transfer.tasks.dataset import Dataset, Split


def striped(count, seed):
    """Noise that is brighter in one third of the picture: which one is the label."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 3)
    images = rng.integers(0, 120, (count, 12, 21, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 7 * label : 7 * label + 7] += 30
    return Split(images, labels.astype(np.int64))


@pytest.fixture
def data(tmp_path):
    splits = [striped(count, seed) for seed, count in enumerate((600, 200, 200))]
    return Dataset(tmp_path, "striped", 12, 21, ("a", "b", "c"), *splits)


def changed(data, name, **changes):
    return dataclasses.replace(data, **{name: dataclasses.replace(data.splits[name], **changes)})


def test_sound_data_have_nothing_to_be_said(data):
    assert (found := copies_and_constants(data)).problems == found.notes == []
    assert (found := labels_and_images(data)).problems == found.notes == []
    assert "of each class of train (at random 33.3%)" in found.lines[0]
    assert len(found.lines) == 3


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize(("copies", "problem"), [(1, False), (2, False), (3, True), (200, True)])
def test_copies_of_train_are_counted(data, split, copies, problem):
    images = data.splits[split].images.copy()
    images[-copies:] = data.train.images[100 : 100 + copies]
    found = copies_and_constants(changed(data, split, images=images))
    first = 200 - copies
    (sentence,) = found.problems if problem else found.notes
    assert sentence.startswith(f"In {split} {copies} of 200 images ")
    assert sentence.endswith(
        f"in train too, the first is image {first}, equal to image 100 of train."
    )
    assert len(found.problems) + len(found.notes) == 1


def test_a_copy_in_another_place_of_the_same_split_is_no_matter(data):
    images = data.train.images.copy()
    images[1] = images[0]
    found = copies_and_constants(changed(data, "train", images=images))
    assert found.problems == found.notes == []


@pytest.mark.parametrize(("constant", "problem"), [(6, False), (7, True)])
def test_images_of_a_single_colour_are_counted(data, constant, problem):
    images = data.train.images.copy()
    images[10 : 10 + constant] = (1, 2, 3)
    found = copies_and_constants(changed(data, "train", images=images))
    (sentence,) = found.problems if problem else found.notes
    assert sentence == (
        f"In train {constant} of 600 images are of a single colour, the first is image 10."
    )


def test_constant_images_are_no_copies_of_each_other(data):
    for name in ("train", "test"):
        images = data.splits[name].images.copy()
        images[0] = 0
        data = changed(data, name, images=images)
    found = copies_and_constants(data)
    assert found.problems == []
    assert len(found.notes) == 2
    assert all("single colour" in note for note in found.notes)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("seed", range(5))
def test_shuffled_labels_are_noticed(data, split, seed):
    labels = np.random.default_rng(seed).permutation(data.splits[split].labels)
    found = labels_and_images(changed(data, split, labels=labels))
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith(
        f"A linear classifier fitted on train sees no relation between the images of {split}"
    )


@pytest.mark.parametrize("split", ["valid", "test"])
def test_classes_that_are_numbered_otherwise_are_a_problem(data, split):
    labels = np.array([2, 1, 0])[data.splits[split].labels]
    found = labels_and_images(changed(data, split, labels=labels))
    (sentence,) = found.problems
    assert sentence.endswith(
        f"In {split}, by the numbers of train, a looks like c, c looks like a."
    )
    assert found.notes == []


def test_a_class_too_rare_to_be_drawn_does_not_end_the_check(data):
    labels = np.minimum(data.test.labels, 1)  # class 2 is not there at all
    found = labels_and_images(changed(data, "test", labels=labels))
    assert len(found.lines) == 3
