"""A driving clock stands still in pauses; stretches of it are kept apart."""

from itertools import product

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.splits import driving_clock, split_by_stretches


def test_the_clock_stands_still_in_pauses():
    seconds = np.array([0.0, 0.05, 0.10, 9.0, 9.05, 8.5, 8.55])
    clock, pauses = driving_clock(seconds, np.zeros(7))
    np.testing.assert_allclose(clock, [0, 0.05, 0.10, 0.10, 0.15, 0.15, 0.20])
    np.testing.assert_array_equal(np.flatnonzero(pauses), [3, 5])
    _, pauses = driving_clock(np.arange(3) * 0.05, np.array([0, 1, 1]))
    np.testing.assert_array_equal(np.flatnonzero(pauses), [1])


def random_drive(seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.uniform(0.01, 0.2, 600)), rng.integers(0, 3, 600)


def test_stretches_are_kept_apart_by_brute_force():
    clock, labels = random_drive()
    split = split_by_stretches(clock, labels, 2.0, 0.5)
    assert set(split) == {-1, 0, 1, 2}
    apart = np.abs(clock[:, None] - clock)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert apart[np.ix_(split == one, split == other)].min() >= 0.5


@pytest.mark.parametrize(
    ("ratios", "parts", "sizes"),
    [
        ((0.8, 0.1, 0.1), 10, [8, 1, 1]),
        ((0.6, 0.2, 0.2), 10, [6, 2, 2]),
        ((0.7, 0.15, 0.15), 20, [14, 3, 3]),
        ((0.85, 0.1, 0.05), 20, [17, 2, 1]),
    ],
)
def test_of_every_ten_or_twenty_stretches_the_same_are_valid_and_test(ratios, parts, sizes):
    clock, labels = random_drive()
    split = split_by_stretches(clock, labels, 1.0, 0.0, ratios)
    places = [set((clock[split == s]).astype(int) % parts) for s in (0, 1, 2)]
    assert [len(place) for place in places] == sizes
    assert set.union(*places) == set(range(parts))


def test_a_drive_without_all_classes_is_refused():
    clock, labels = random_drive()
    message = rf"Received: {clock[-1]:.0f} s of driving, too short or too one-sided"
    with pytest.raises(TransferError, match=message):
        split_by_stretches(clock, np.minimum(labels, 1), 2.0, 0.5)


def by_brute_force(clock, labels, stretch, gap, parts, sizes):
    """Every choice of stretches, frame by frame; the first of those with the least deviation."""
    share = np.array([(labels == label).mean() for label in range(3)])
    apart = np.abs(clock[:, None] - clock)
    best, least = None, np.inf
    for starts in product(range(parts), repeat=2):
        valid, test = (
            {(start + i) % parts for i in range(size)}
            for start, size in zip(starts, sizes, strict=True)
        )
        if valid & test:
            continue
        place = [int(time / stretch) % parts for time in clock]
        split = np.array([2 if p in test else 1 if p in valid else 0 for p in place])
        above = split[None, :] > split[:, None]
        split = np.where((above & (apart < gap)).any(1), -1, split)
        if any(not (labels[split == s] == label).any() for s in range(3) for label in range(3)):
            continue
        deviation = max(
            abs((labels[split == s] == label).mean() - share[label])
            for s in (1, 2)
            for label in range(3)
        )
        if deviation < least:
            best, least = split, deviation
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("stretch", "gap"), [(0.5, 0.2), (3.0, 1.0)])
def test_the_stretches_are_those_whose_classes_deviate_least(seed, stretch, gap):
    clock, labels = random_drive(seed)
    rare = np.random.default_rng(seed).random(600) < 0.9  # some choices lack the last class
    labels = np.where((labels == 2) & rare, seed % 2, labels)
    ratios, sizes = ((0.8, 0.1, 0.1), [1, 1]) if seed % 2 else ((0.7, 0.2, 0.1), [2, 1])
    expected = by_brute_force(clock, labels, stretch, gap, 10, sizes)
    assert expected is not None
    np.testing.assert_array_equal(split_by_stretches(clock, labels, stretch, gap, ratios), expected)
