"""Balancing and shares by class: what is left, sorted, nested and seeded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.errors import TransferError
from transfer.tasks.dataset import equals, stratified_fraction

labels_of_three = st.lists(st.integers(0, 2), min_size=1, max_size=60).map(
    lambda rest: np.array([0, 1, 2, *rest])
)


@given(labels_of_three, st.integers(0, 5))
def test_equals_brings_every_class_down_to_the_smallest(labels, seed):
    indices = equals(labels, seed)
    assert set(np.bincount(labels[indices])) == {np.bincount(labels).min()}
    assert (np.diff(indices) > 0).all()


def test_the_published_test_set_has_three_times_its_smallest_class():
    natural = np.repeat([0, 1, 2], [3626, 2034, 1362])  # 7,022 images
    assert len(equals(natural, 0)) == 4086


@given(labels_of_three, st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 5))
def test_fractions_are_stratified_and_nested(labels, one, other, seed):
    small, large = (stratified_fraction(labels, f, seed) for f in sorted((one, other)))
    assert set(small) <= set(large)
    wanted = np.maximum(1, np.round(max(one, other) * np.bincount(labels)))
    np.testing.assert_array_equal(np.bincount(labels[large]), wanted)
    assert (np.diff(large) > 0).all()


def test_the_whole_is_everything_and_seeds_differ():
    labels = np.repeat([0, 1, 2], 50)
    np.testing.assert_array_equal(stratified_fraction(labels, 1.0, 3), np.arange(150))
    np.testing.assert_array_equal(equals(labels, 0), np.arange(150))
    skewed = np.repeat([0, 1], [90, 30])
    np.testing.assert_array_equal(equals(skewed, 1), equals(skewed, 1))
    assert not np.array_equal(equals(skewed, 1), equals(skewed, 2))


@pytest.mark.parametrize("fraction", [0, -1, 1.5, float("nan")])
def test_a_fraction_outside_zero_to_one_is_refused(fraction):
    with pytest.raises(TransferError, match="fraction"):
        stratified_fraction(np.array([0, 1]), fraction, 0)
