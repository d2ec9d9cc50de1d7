"""The order of images is a pure function of (seed, epoch)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transfer.training.loop import epoch_order, training_batches


@given(st.integers(0, 99), st.integers(1, 99), st.integers(1, 200))
def test_an_order_is_a_permutation_and_repeatable(seed, epoch, count):
    order = epoch_order(seed, epoch, count)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))


def test_seeds_and_epochs_have_orders_of_their_own():
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(st.integers(1, 60), st.integers(1, 20))
def test_batches_are_whole_and_hold_each_chosen_image_at_most_once(count, batch):
    images = np.arange(2 * count, dtype=np.uint8)[:, None, None, None]
    labels = np.arange(2 * count)
    chosen = np.arange(1, 2 * count, 2)
    batches = list(training_batches(images, labels, chosen, batch, 0, 1))
    assert len(batches) == count // batch
    seen = [int(label) for _, part in batches for label in part]
    assert len(set(seen)) == len(seen) == count // batch * batch
    assert set(seen) <= set(chosen.tolist())
    for pictures, part in batches:
        np.testing.assert_array_equal(pictures[:, 0, 0, 0], part)
