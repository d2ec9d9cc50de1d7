"""A driving clock stands still in pauses; blocks of it are kept apart."""

import numpy as np

from transfer.tasks.imports.stretches import driving_clock, split_by_stretches


def test_the_clock_stands_still_in_pauses():
    seconds = np.array([0.0, 0.05, 0.10, 9.0, 9.05, 3.0, 3.05])
    clock, pauses = driving_clock(seconds, ["a"] * 7)
    np.testing.assert_allclose(clock, [0, 0.05, 0.10, 0.10, 0.15, 0.15, 0.20])
    np.testing.assert_array_equal(np.flatnonzero(pauses), [3, 5])
    _, pauses = driving_clock(np.arange(3) * 0.05, ["a", "b", "b"])
    np.testing.assert_array_equal(np.flatnonzero(pauses), [1])


def test_blocks_are_kept_apart_by_brute_force():
    rng = np.random.default_rng(0)
    clock = np.cumsum(rng.uniform(0.01, 0.2, 600))
    labels = rng.integers(0, 3, 600)
    split = split_by_stretches(clock, labels, 2.0, 0.5)
    assert set(split) == {-1, 0, 1, 2}
    apart = np.abs(clock[:, None] - clock)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert apart[np.ix_(split == one, split == other)].min() >= 0.5
    whole = split_by_stretches(clock, labels, 2.0, 0.0)
    places = {s: set((clock[whole == s] // 2).astype(int) % 10) for s in (0, 1, 2)}
    assert [len(places[s]) for s in (0, 1, 2)] == [8, 1, 1]
