"""A driving clock stands still in pauses; stretches of it are kept apart."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.stretches import driving_clock, split_by_stretches


def test_the_clock_stands_still_in_pauses():
    seconds = np.array([0.0, 0.05, 0.10, 9.0, 9.05, 3.0, 3.05])
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
    with pytest.raises(TransferError, match="too one-sided"):
        split_by_stretches(clock, np.minimum(labels, 1), 2.0, 0.5)
