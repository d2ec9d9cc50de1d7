"""An image file is read, or refused in one sentence before it costs memory."""

import contextlib
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from transfer.errors import TransferError
from transfer.tasks.imports.images import read_images


def png_that_declares(width, height):
    """A valid PNG header and no pixels to speak of."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def read_image(path, height, width):
    """The image in ``path``, or its refusal raised."""
    read = read_images([path], height, width)
    for _, error in read.unreadable:
        raise error
    return read.images[0]


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


@pytest.mark.parametrize("side", [11_586, 30_000])  # 8 bytes a pixel: just beyond a GiB, and far
def test_a_decompression_bomb_is_named_without_a_warning(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_that_declares(side, side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TransferError, match=r"at most 1024 MiB to decode in .*bomb\.png"):
            read_image(tmp_path / "bomb.png", 4, 4)


def test_a_photograph_of_24_megapixels_is_read_at_reduced_size(tmp_path):
    """The oracle is the whole photograph, shrunk; a decoder of an eighth of the size is near it."""
    ramp = np.linspace(0, 255, 6000).astype(np.uint8)
    pixels = np.broadcast_to(ramp[:, None], (4000, 6000, 3)).copy()
    pixels[1000:2000] = 255 - pixels[1000:2000]
    Image.fromarray(pixels).save(tmp_path / "camera.jpg", quality=95)
    read = read_images([tmp_path / "camera.jpg"], 8, 12)
    expected = Image.fromarray(pixels).resize((12, 8), Image.Resampling.BILINEAR)
    assert np.abs(read.images[0].astype(int) - np.asarray(expected)).max() <= 3
    assert read.sides.tolist() == [[4000, 6000]]


@pytest.mark.parametrize("kind", ["png", "webp", "bmp", "tiff", "gif"])
def test_every_format_gives_its_pixels(tmp_path, kind):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:2, :3], pixels[2:, 3:] = (255, 0, 0), (0, 0, 255)
    more = {"webp": {"lossless": True}, "gif": {"save_all": True}}.get(kind, {})
    if kind == "gif":
        more["append_images"] = [Image.new("RGB", (6, 4), "white")]
    Image.fromarray(pixels).save(tmp_path / f"a.{kind}", **more)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{kind}", 4, 6), pixels)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "frame.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    for content in (b"", b"GIF89a", whole[: len(whole) // 2], whole[:30], png_that_declares(9, 9)):
        path.write_bytes(content)
        with pytest.raises(TransferError, match=r"image in .*frame\.jpg"):
            read_image(path, 4, 4)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(TransferError, match="plain file"):
        read_image(tmp_path, 4, 4)
    with pytest.raises(TransferError, match="not there"):
        read_image(tmp_path / "absent.png", 4, 4)
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(TransferError, match="a link"):
        read_image(tmp_path / "link.png", 4, 4)


def test_sixteen_bits_of_grey_become_eight(tmp_path):
    values = np.array([[0, 256, 257], [40_000, 65_278, 65_535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    found = read_image(tmp_path / "deep.png", 2, 3)
    np.testing.assert_array_equal(found, np.repeat(values[..., None] // 257, 3, -1))


def test_transparent_pixels_lie_over_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0], pixels[0, :, 3] = 200, (0, 51, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png", 1, 3)[0].astype(int)
    expected = [[255, 255, 255], [244, 204, 204], [200, 0, 0]]  # 0.2 of the pixel, 0.8 of white
    assert np.abs(found - expected).max() <= 1


def test_a_transparent_colour_of_a_palette_lies_over_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png", 1, 2).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_inks_of_print_become_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")  # magenta and yellow: red
    red, green, blue = read_image(tmp_path / "a.jpg", 1, 1)[0, 0]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_exif_says(tmp_path, orientation, kind):
    """The oracle is Pillow's own ``exif_transpose``."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[8:, :8] = (250, 0, 0), (0, 250, 0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"a.{kind}"
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 100} if kind == "jpg" else {}))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = read_images([path], *expected.shape[:2], iter(()))
    assert tuple(found.sides[0]) == expected.shape[:2]
    np.testing.assert_array_equal(found.images[0], expected)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_without_meaning_is_upright(tmp_path, value):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png", exif=exif)
    assert read_image(tmp_path / "a.png", 4, 6).shape == (4, 6, 3)


def test_damaged_exif_never_ends_an_import(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "a.jpg"
    Image.new("RGB", (6, 4)).save(path, exif=exif)
    content = path.read_bytes()
    begin = content.index(b"Exif")
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for at in rng.integers(begin, begin + 40, 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(TransferError):
            read_image(path, 4, 6)


def test_images_arrive_in_the_order_of_their_paths_and_the_unreadable_are_told(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(600)]  # more than are read at once
    for index, path in enumerate(paths):
        Image.new("RGB", (6, 4), (index % 256, index // 256, 0)).save(path)
    paths[1].write_bytes(b"GIF89a")
    paths[599].unlink()
    read = read_images(paths, 4, 6, iter(range(600)))
    assert read.kept.tolist() == [index for index in range(600) if index not in (1, 599)]
    numbers = read.images[:, 0, 0].astype(int) @ [1, 256, 0]
    np.testing.assert_array_equal(numbers, read.kept)
    assert [path for path, _ in read.unreadable] == [paths[1], paths[599]]
    assert read.sides.shape == (598, 2)
