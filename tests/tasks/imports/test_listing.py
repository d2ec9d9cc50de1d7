"""Images are split by group, or by the order of their names, and never at random by frame."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.listing import groups_by_pattern, split_by_group, split_by_name


def test_frames_numbered_through_the_classes_are_cut_at_one_time():
    labels = np.arange(1000) // 13 % 3
    names = [f"frame_{index}.jpg" for index in range(1000)]  # 9 before 10
    shuffled = np.random.default_rng(0).permutation(1000)
    split, order, together = split_by_name([names[i] for i in shuffled], labels[shuffled])
    assert together
    np.testing.assert_array_equal(shuffled[order], np.arange(1000))
    expected = np.full(1000, -1)
    expected[:780], expected[800:880], expected[900:] = 0, 1, 2
    np.testing.assert_array_equal(split[order], expected)


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
    split, order, together = split_by_name(names, labels)
    assert not together
    np.testing.assert_array_equal(order, np.arange(480))
    for label, count in enumerate(counts):
        own = split[labels == label]
        kept = own[own >= 0]
        assert (np.diff(kept) >= 0).all()  # train, then valid, then test
        assert set(kept) == {0, 1, 2}
        gap = max(1, round(count / 50))
        for later in (1, 2):
            assert own[np.flatnonzero(own == later)[0] - gap] == -1


def test_no_frame_has_its_neighbour_in_another_split():
    for count in range(60, 400):
        names = [f"{i}.png" for i in range(count)]
        split, order, together = split_by_name(names, np.arange(count) % 2)
        assert together
        one, other = split[order][:-1], split[order][1:]
        assert ((one == other) | (one < 0) | (other < 0)).all()
        assert set(split) == {-1, 0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_divided_and_every_class_is_everywhere(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 1000)
    labels = rng.integers(0, 5, 1000)
    split = split_by_group(groups, labels, tuple("abcde"))
    for group in np.unique(groups):
        assert len(np.unique(split[groups == group])) == 1
    for number, share in enumerate((0.8, 0.1, 0.1)):
        np.testing.assert_allclose((split == number).mean(), share, atol=0.03)
        shares = np.bincount(labels[split == number], minlength=5) / (split == number).sum()
        np.testing.assert_allclose(shares, np.bincount(labels) / 1000, atol=0.08)
    np.testing.assert_array_equal(split, split_by_group(groups, labels, tuple("abcde")))


def test_groups_of_one_class_each_are_dealt_class_by_class():
    groups = np.repeat(np.arange(6), 4)  # three objects of each of two classes
    labels = groups // 3
    split = split_by_group(groups, labels, ("cup", "plate"))
    table = {(int(s), int(y)) for s, y in zip(split, labels, strict=True)}
    assert table == {(s, y) for s in range(3) for y in range(2)}


def test_a_class_in_fewer_than_three_groups_is_named():
    groups = np.repeat(np.arange(5), 4)
    with pytest.raises(TransferError, match="2 of 'plate'"):
        split_by_group(groups, groups // 3, ("cup", "plate"))


def test_the_group_is_what_the_first_parenthesis_captures():
    names = ["a/x_1.jpg", "b/x_2.jpg", "b/y_1.jpg"]
    assert groups_by_pattern("/(.)_([0-9])", names) == ["x", "x", "y"]


@pytest.mark.parametrize("pattern", ["(", "x", "(?P<a>x)(?P<a>y)"])
def test_a_pattern_without_meaning_is_refused(pattern):
    with pytest.raises(TransferError, match="--group"):
        groups_by_pattern(pattern, ["a/x.jpg"])


@pytest.mark.parametrize("pattern", ["(q)", "(q*)"])
def test_a_name_without_a_group_is_named(pattern):
    with pytest.raises(TransferError, match="nothing in 'a/x.jpg'"):
        groups_by_pattern(pattern, ["a/x.jpg"])
