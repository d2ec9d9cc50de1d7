"""An image file is read, or refused in one sentence before it costs memory."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from transfer.errors import TransferError
from transfer.tasks.images import read_image, read_images


def png_that_declares(width, height):
    """A valid PNG header and no pixels to speak of."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_shrinking_averages_over_the_area(tmp_path):
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, ::2] = 200  # stripes of one pixel: a sample would be 0 or 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.abs(read_image(tmp_path / "a.png", 4, 4).astype(int) - 100).max() <= 4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_every_8_bit_mode_becomes_rgb(tmp_path, mode):
    Image.new(mode, (6, 4), 1).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", 4, 6)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("side", [4097, 10_000, 30_000])  # beyond our limit, Pillow's, twice that
def test_a_decompression_bomb_is_named_without_a_warning(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_that_declares(side, side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TransferError, match=r"at most 16777216 pixels in .*bomb\.png"):
            read_image(tmp_path / "bomb.png", 4, 4)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "frame.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    for content in (b"", b"GIF89a", whole[: len(whole) // 2], whole[:30], png_that_declares(9, 9)):
        path.write_bytes(content)
        with pytest.raises(TransferError, match=r"image in .*frame\.jpg"):
            read_image(path, 4, 4)


def test_what_is_no_file_and_deep_images_are_named(tmp_path):
    with pytest.raises(TransferError, match="not there"):
        read_image(tmp_path, 4, 4)
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(TransferError, match=r"8 bits a channel in .*deep\.png"):
        read_image(tmp_path / "deep.png", 4, 4)


def test_unreadable_images_are_left_out_only_when_asked(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index in (0, 2):
        Image.new("RGB", (6, 4), (index, 0, 0)).save(paths[index])
    unreadable = []
    images, kept = read_images(paths, 4, 6, iter(range(3)), unreadable)
    assert kept.tolist() == images[:, 0, 0, 0].tolist() == [0, 2]
    assert len(unreadable) == 1
    with pytest.raises(TransferError, match=r"1\.png"):
        read_images(paths, 4, 6, iter(range(3)))
