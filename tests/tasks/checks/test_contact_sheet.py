"""The contact sheet shows images of every class under its name."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from transfer.tasks.checks.contact_sheet import contact_sheet
from transfer.tasks.dataset import Split

COLOURS = np.array([(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)], np.uint8)


def split_of(count, classes, height=12, width=16):
    labels = np.arange(count) % classes
    images = np.empty((count, height, width, 3), np.uint8)
    images[:] = COLOURS[labels % 5][:, None, None]
    return Split(images, labels.astype(np.int64))


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_every_class_has_a_row_of_its_images():
    sheet = opened(contact_sheet(split_of(100, 5), ("cup", "plate", "fork", "ключ", "x")))
    rows = [np.argwhere((sheet == colour).all(-1)) for colour in COLOURS]
    for above, below in pairwise(rows):
        assert above[:, 0].max() < below[:, 0].min()
    for of in rows:
        columns = np.unique(of[:, 1])
        assert 1 + (np.diff(columns) > 1).sum() == 8  # eight pictures with gaps between


def test_few_images_and_many_classes_are_shown_as_they_are():
    one = opened(contact_sheet(split_of(2, 2), ("a", "b")))
    columns = np.unique(np.argwhere((one == COLOURS[0]).all(-1))[:, 1])
    assert (np.diff(columns) == 1).all()
    many = contact_sheet(split_of(1000, 1000), tuple(map(str, range(1000))))
    hundred = contact_sheet(split_of(100, 100), tuple(map(str, range(100))))
    assert opened(many).shape[0] < opened(hundred).shape[0] + 40


@pytest.mark.parametrize("size", [(1, 4096), (4096, 1), (2000, 2000)])
def test_no_shape_makes_a_huge_sheet(size):
    sheet = opened(contact_sheet(split_of(4, 2, *size), ("a", "b")))
    assert sheet.shape[0] < 300
    assert sheet.shape[1] < 1700
