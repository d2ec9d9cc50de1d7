"""Read image files from anywhere, shrunk to one size, without trusting them.

Memory is bounded by the header before pixels are decoded: a few bytes of PNG can declare gigabytes.
What the file holds becomes RGB of 8 bits, transparent pixels over white, turned as EXIF says.
"""

import contextlib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, WebPImagePlugin

from transfer.errors import TransferError
from transfer.files import open_plain
from transfer.tasks.imports.recordings import MOST_BYTES

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
# Naming two formats by their decoders loads these decoders; Pillow by itself would load all.
_FORMATS = (
    *("JPEG", "PNG", "BMP", "GIF"),
    WebPImagePlugin.WebPImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
)
_LARGE_BYTES = 64 << 20  # images that take more are decoded one at a time, in one thread
_THREADS = 4
_AT_ONCE = 256
_GAP = 3  # a JPEG is decoded at this many times the size asked for, or more: the eye sees no loss

#: An image, and its height and width in the file; or why it cannot be read.
_Outcome = tuple[np.ndarray, tuple[int, int]] | TransferError


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `read_images` could read, in the order of the paths."""

    images: np.ndarray  #: uint8 (K, height, width, 3)
    kept: np.ndarray  #: int64 (K,), which of the paths they are
    sides: np.ndarray  #: int64 (K, 2), height and width in the file, after turning
    unreadable: list[tuple[Path, TransferError]]  #: the others, and why


def read_images(
    paths: list[Path], height: int, width: int, progress: Iterator[object] | None = None
) -> Decoded:
    """Read images, each shrunk as a whole to ``height`` x ``width`` pixels; others are left out."""
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)
    sides = np.empty((len(paths), 2), dtype=np.int64)
    kept: list[int] = []
    unreadable = []

    def attempt(path: Path, most_bytes: int = _LARGE_BYTES) -> _Outcome | None:
        try:
            return _decode(path, height, width, most_bytes)
        except TransferError as error:
            return TransferError(str(error))  # without the traceback, which holds the image

    # Pillow decodes and resizes without the interpreter's lock. Large images are left to this
    # thread, one at a time.
    with _pillow_in_peace(), ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            batch = paths[start : start + _AT_ONCE]
            for position, outcome in enumerate(pool.map(attempt, batch), start):
                outcome = outcome or attempt(paths[position], MOST_BYTES)
                next(progress or iter(()), None)
                if isinstance(outcome, TransferError):
                    unreadable.append((paths[position], outcome))
                elif outcome is not None:
                    images[len(kept)], sides[len(kept)] = outcome
                    kept.append(position)
    count = len(kept)
    return Decoded(images[:count], np.array(kept, np.int64), sides[:count], unreadable)


@contextlib.contextmanager
def _pillow_in_peace() -> Iterator[None]:
    """Switch off Pillow's warnings and its bound on pixels; our own bound is checked instead.

    Both are global: they are set once around all threads, not in each.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _decode(path: Path, height: int, width: int, most_bytes: int) -> _Outcome | None:
    """The image, and its sides in the file; None if that takes more than ``most_bytes``."""
    try:
        with open_plain(path) as stream:
            if stream.read(12).endswith(b"WEBP") and most_bytes < MOST_BYTES:
                return None  # the decoder of WebP takes its memory when it is opened
            stream.seek(0)
            return _shrunk(stream, path, height, width, most_bytes)
    except TransferError:
        raise
    except FileNotFoundError as error:
        raise TransferError(f"Expected an image file at {path}. It is not there.") from error
    except MemoryError as error:
        raise TransferError(f"Not enough memory to decode {path}.") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise anything
        unknown = isinstance(error, Image.UnidentifiedImageError)
        reason = "something else" if unknown else (str(error).splitlines() or ["a damaged file"])[0]
        raise TransferError(
            f"Expected an image in {path} ({', '.join(_FORMATS)}). Received: {reason:.200}."
        ) from error


def _shrunk(
    stream: IO[bytes], path: Path, height: int, width: int, most_bytes: int
) -> _Outcome | None:
    with Image.open(stream, formats=_FORMATS) as image:
        sides = (image.height, image.width)
        memory = _memory(image, _GAP * max(height, width))
        if memory > MOST_BYTES:
            raise TransferError(
                f"Expected an image that takes at most {MOST_BYTES >> 20} MiB to decode in {path}. "
                f"Received: {sides[1]} x {sides[0]} pixels, which take {memory >> 20} MiB; shrink "
                "it, then import again."
            )
        if memory > most_bytes:
            return None
        small, turned = _resized(image, height, width)
        return np.asarray(small), sides[::-1] if turned else sides


def _memory(image: Image.Image, side: int) -> int:
    """Bytes that decoding takes; a JPEG is told to decode no larger than ``side`` needs."""
    coefficients = 0
    if image.format == "JPEG":
        if "progressive" in image.info:  # then all coefficients are kept, two bytes each
            coefficients = 2 * len(image.getbands()) * image.width * image.height
        image.draft(None, (side, side))
    # Four bytes a pixel, and as many for each copy on the way to RGB.
    a_pixel = 12 if image.has_transparency_data else 8
    if image.mode.startswith("I"):
        a_pixel = 20
    if image.format == "WEBP":
        a_pixel = 24  # the decoder keeps three canvases
    return coefficients + a_pixel * image.width * image.height


def _resized(image: Image.Image, height: int, width: int) -> tuple[Image.Image, bool]:
    """In RGB, turned as EXIF says, at the size asked for; and whether the sides changed places.

    Bilinear with Pillow's wide support: an average over the area when shrinking.
    """
    image.load()
    before = image.size
    with contextlib.suppress(Exception):  # damaged EXIF raises anything; the pixels may be good
        ImageOps.exif_transpose(image, in_place=True)
    turned = image.size != before
    size = (width, height)
    if image.mode == "F":
        raise ValueError("pixels of floating-point numbers")
    if image.mode.startswith("I"):  # Pillow's modes of 16-bit grey: "I;16", "I;16B", "I"
        deep = np.asarray(image).clip(0, 65535)
        image = Image.fromarray((deep // 257).astype(np.uint8))  # 65535 = 257 * 255
    if not image.has_transparency_data:
        return _in_mode(image, "RGB").resize(size, Image.Resampling.BILINEAR), turned
    small = _in_mode(image, "RGBA").resize(size, Image.Resampling.BILINEAR)  # weighted by alpha
    white = Image.new("RGBA", size, "white")
    return Image.alpha_composite(white, small).convert("RGB"), turned


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # which copies in any case
