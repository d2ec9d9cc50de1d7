"""Every image, filter and map is shown once, in order."""

import numpy as np

from transfer.figures.pictures import contact_sheet, draw_filters, draw_maps


def test_every_image_is_shown_in_order_with_its_title():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    figure = contact_sheet(images, [f"frame {number}" for number in range(5)], columns=3)
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == [f"frame {number}" for number in range(5)]
    for axis, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), image)


def test_filters_are_drawn_around_grey():
    filters = np.random.default_rng(0).uniform(-1, 1, (8, 3, 3, 3))
    first, second = draw_filters({"baseA": filters, "baseB": -filters}).axes
    assert (first.get_title(), second.get_title()) == ("baseA", "baseB")
    sheet = first.images[0].get_array()
    assert sheet.shape == (9, 17, 3)  # two rows of four, a white line around each
    np.testing.assert_allclose(sheet[5:8, 9:12], 0.5 + filters[6] / 2)


def test_maps_lie_over_their_images_each_scaled_by_its_own_maximum():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 45, 80, 3), dtype=np.uint8)
    maps = {f"block {block}": rng.random((3, 4, 5)) for block in (0, 4)}
    maps["block 4"][0] = 0  # nothing speaks for the class
    figure = draw_maps(images, ["a", "b", "c"], maps)
    assert len(figure.axes) == 9
    drawn = figure.axes[4].images[1]
    np.testing.assert_allclose(drawn.get_array(), maps["block 0"][1])
    assert drawn.get_clim() == (0, maps["block 0"][1].max())
