"""Images are split by group, or by the order of their names; at random on demand only."""

from pathlib import Path

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.listing import Listing, numbered
from transfer.tasks.imports.splits import (
    split_at_random,
    split_by_group,
    split_by_name,
    split_listing,
)

TENTHS = {1: 0.1, 2: 0.1}
LETTERS = tuple("abcde")


def listing_of(names, labels, split=None, groups=None):
    classes = tuple(f"class {label}" for label in np.unique(labels))
    split = None if split is None else np.array(split)
    return Listing(Path("src"), classes, names, np.array(labels), [], {}, names, groups, split)


# The order of names.


def test_frames_numbered_through_the_classes_are_cut_at_one_time():
    labels = np.arange(1000) // 13 % 3
    names = [f"frame_{index}.jpg" for index in range(1000)]  # 9 before 10
    shuffled = np.random.default_rng(0).permutation(1000)
    parted = split_listing(listing_of([names[i] for i in shuffled], labels[shuffled]))
    assert parted.images == names
    np.testing.assert_array_equal(parted.labels, labels)
    expected = np.full(1000, -1)
    expected[:780], expected[800:880], expected[900:] = 0, 1, 2
    np.testing.assert_array_equal(parted.split, expected)
    assert parted.frames
    assert "all classes together" in parted.remarks[0]


@pytest.mark.parametrize("name", ["forward_{}.jpg", "{}.jpg"])
def test_classes_with_their_own_names_are_each_cut_in_their_own_order(name):
    counts = [400, 60, 20]
    labels = np.repeat([0, 1, 2], counts)
    prefixes = ["forward", "left", "right"]
    names = [
        name.replace("forward", prefixes[label]).format(index)
        for label, count in enumerate(counts)
        for index in range(count)
    ]
    parted = split_listing(listing_of(names, labels))
    assert "by class" in parted.remarks[0]
    assert not parted.frames
    assert parted.images == names
    for label, count in enumerate(counts):
        own = parted.split[labels == label]
        kept = own[own >= 0]
        assert (np.diff(kept) >= 0).all()  # train, then valid, then test
        assert set(kept) == {0, 1, 2}
        gap = max(1, round(count / 50))
        for later in (1, 2):
            assert own[np.flatnonzero(own == later)[0] - gap] == -1


def test_no_frame_has_its_neighbour_in_another_split():
    for count in range(60, 400):
        split, together = split_by_name(np.arange(count) % 2, ("a", "b"), TENTHS)
        assert together
        one, other = split[:-1], split[1:]
        assert ((one == other) | (one < 0) | (other < 0)).all()
        assert set(split) == {-1, 0, 1, 2}


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        ([f"{i}.jpg" for i in range(100)], True),
        ([f"run1/frame{i:05d}.png" for i in range(100)], True),
        ([f"{'ab'[i % 2]}/{i // 2}.jpg" for i in range(100)], False),  # each class its numbers
        ([f"{i * 7919 % 97}x{'pqrst'[i % 5] * (i + 1)}.jpg" for i in range(100)], False),
    ],
)
def test_names_tell_frames_of_a_sequence_from_photographs(names, frames):
    assert split_listing(listing_of(names, np.arange(100) % 2)).frames is frames


def test_a_class_with_few_images_is_named():
    labels = np.array([0] * 20 + [1] * 19)
    with pytest.raises(TransferError, match="20 images of every class.* 19 of 'plate'"):
        split_by_name(labels, ("cup", "plate"), TENTHS)
    with pytest.raises(TransferError, match="10 images of every class.* 9 of 'plate'"):
        split_at_random(labels[:29], ("cup", "plate"), TENTHS)


# What the source says.


@pytest.mark.parametrize(("known", "missing", "share"), [((0, 1), 2, 1 / 9), ((0, 2), 1, 1 / 9)])
def test_what_is_missing_is_split_off_training(known, missing, share):
    labels = np.arange(900) // 7 % 2
    split = np.repeat(known, [810, 90])
    parted = split_listing(listing_of([f"{i}.jpg" for i in range(900)], labels, split))
    np.testing.assert_array_equal(parted.split[810:], known[1])
    own = parted.split[:810]
    assert set(own) == {-1, 0, missing}
    assert (own == missing).sum() == round(810 * share)
    assert (np.flatnonzero(own == missing) > np.flatnonzero(own == 0).max()).all()
    words = ("valid", "test")[missing - 1] + " 11% of the training images"
    assert "as the source says" in parted.remarks[0]
    assert words in parted.remarks[0]


def test_a_whole_split_is_not_touched():
    split = np.arange(60) % 3
    parted = split_listing(
        listing_of([f"{i}.jpg" for i in range(60)], np.arange(60) // 3 % 2, split)
    )
    np.testing.assert_array_equal(parted.split, split)
    assert parted.remarks[0] == "split as the source says"


def test_a_split_without_train_is_refused():
    with pytest.raises(TransferError, match="images for train"):
        split_listing(listing_of(["1.jpg", "2.jpg"], [0, 1], [1, 2]))


# At random within each class.


@pytest.mark.parametrize("shares", [TENTHS, {1: 0.15, 2: 0.15}, {2: 0.2}])
def test_at_random_every_class_has_its_share(shares):
    labels = np.repeat([0, 1], [400, 60])
    split = split_at_random(labels, ("a", "b"), shares)
    for label, count in ((0, 400), (1, 60)):
        for number, share in shares.items():
            assert (split[labels == label] == number).sum() == round(share * count)
    assert (np.diff(np.flatnonzero(split == 2)) > 1).any()
    np.testing.assert_array_equal(split, split_at_random(labels, ("a", "b"), shares))


def test_frames_that_are_split_at_random_are_warned_of():
    labels = np.arange(100) // 7 % 2
    frames = listing_of([f"{i}.jpg" for i in range(100)], labels)
    assert "warning: the names look like" in split_listing(frames, stratified=True).remarks[0]
    photographs = listing_of([f"{label}_{i}.jpg" for i, label in enumerate(labels)], labels)
    assert "warning" not in split_listing(photographs, stratified=True).remarks[0]


# Groups.


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [TENTHS, {1: 0.2, 2: 0.2}, {2: 0.1}])
def test_no_group_is_divided_and_every_class_is_everywhere(seed, shares):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 1000)
    labels = rng.integers(0, 5, 1000)
    split = split_by_group(groups, labels, LETTERS, shares)
    for group in np.unique(groups):
        assert len(np.unique(split[groups == group])) == 1
    for number, share in {**shares, 0: 1 - sum(shares.values())}.items():
        np.testing.assert_allclose((split == number).mean(), share, atol=0.03)
        class_shares = np.bincount(labels[split == number], minlength=5) / (split == number).sum()
        np.testing.assert_allclose(class_shares, np.bincount(labels) / 1000, atol=0.08)
    np.testing.assert_array_equal(split, split_by_group(groups, labels, LETTERS, shares))


def test_groups_of_one_class_each_are_dealt_class_by_class():
    groups = np.repeat(np.arange(6), 4)  # three objects of each of two classes
    labels = groups // 3
    split = split_by_group(groups, labels, ("cup", "plate"), TENTHS)
    table = {(int(s), int(y)) for s, y in zip(split, labels, strict=True)}
    assert table == {(s, y) for s in range(3) for y in range(2)}


def test_a_class_in_fewer_than_three_groups_is_named():
    groups = np.repeat(np.arange(5), 4)
    with pytest.raises(TransferError, match="3 groups or more.* 2 of 'plate'"):
        split_by_group(groups, groups // 3, ("cup", "plate"), TENTHS)


def test_groups_become_recordings_in_their_order():
    groups = [f"house{i % 12}" for i in range(240)]
    parted = split_listing(
        listing_of([f"{i}.jpg" for i in range(240)], np.arange(240) // 12 % 2, groups=groups)
    )
    expected = [groups[int(name.removesuffix(".jpg"))] for name in parted.images]
    np.testing.assert_array_equal(parted.recordings, numbered(expected)[1])
    assert (np.diff(parted.recordings) >= 0).all()
    assert "12 groups, none divided" in parted.remarks[0]
    assert not parted.frames


def test_a_class_with_too_few_groups_is_named_with_how_many_there_should_be():
    groups, labels = np.array([0, 0, 1, 2, 3]), np.array([1, 1, 0, 0, 0])
    for shares, groups_of_each in (({1: 0.1}, 2), (TENTHS, 3)):
        message = f"Expected {groups_of_each} groups or more of every class.*: 1 of 'plate'"
        with pytest.raises(TransferError, match=message):
            split_by_group(groups, labels, ("cup", "plate"), shares)


def test_few_groups_are_dealt_to_fewer_and_larger_parts():
    """Three groups of each class cannot be dealt to ten parts, nor to nine, ..., but to three."""
    groups = np.repeat(np.arange(6), 10)
    labels = groups // 3
    split = split_by_group(groups, labels, ("cup", "plate"), TENTHS)
    for number in range(3):
        assert set(labels[split == number]) == {0, 1}
    for group in range(6):
        assert len(set(split[groups == group])) == 1


def test_of_the_parts_the_one_of_the_wanted_size_and_classes_is_taken():
    """Nine groups of ten images, and one of thirty: a tenth is a group of ten of both classes."""
    groups = np.concatenate([np.repeat(np.arange(12), 10), np.repeat(12, 30)])
    labels = np.arange(150) % 2
    split = split_by_group(groups, labels, ("cup", "plate"), {2: 0.07})
    assert (split == 2).sum() == 10


def test_images_that_are_groups_of_their_own_may_be_fewer_than_the_parts():
    labels = np.arange(8) // 4
    split = split_by_group(np.arange(8), labels, ("cup", "plate"), TENTHS)
    for number in range(3):
        assert set(labels[split == number]) == {0, 1}


def test_of_parts_of_one_size_the_one_with_the_classes_of_all_is_taken():
    groups = np.repeat(np.arange(5), 10)
    cups = np.repeat([5, 9, 8, 9, 9], 10)  # of every ten: 40 of 50 in all
    labels = (np.tile(np.arange(10), 5) >= cups).astype(np.int64)
    split = split_by_group(groups, labels, ("cup", "plate"), {2: 0.2})
    np.testing.assert_array_equal(np.flatnonzero(split == 2), np.flatnonzero(groups == 2))


def test_a_train_split_that_would_lack_a_class_is_cut_by_class():
    labels = np.zeros(1000, np.int64)
    labels[784::4] = 1  # valid and test would have both classes, train one
    split, together = split_by_name(labels, ("cup", "plate"), TENTHS)
    assert not together
    assert set(split[labels == 1]) >= {0, 1, 2}
