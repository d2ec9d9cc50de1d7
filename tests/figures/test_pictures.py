"""A contact sheet shows every image once, in order."""

import numpy as np

from transfer.figures.pictures import contact_sheet


def test_every_image_is_shown_in_order_with_its_title():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    figure = contact_sheet(images, [f"frame {number}" for number in range(5)], columns=3)
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == [f"frame {number}" for number in range(5)]
    for axis, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), image)
