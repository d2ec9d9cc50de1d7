"""Read image files from anywhere, shrunk to one size, without trusting them.

The size an image declares is checked before its pixels are decoded: a few bytes of PNG can declare
gigabytes. Only JPEG and PNG are decoded; Pillow knows dozens of rarer formats and their bugs.

Whatever the file holds becomes RGB of 8 bits a channel: grey, palettes and CMYK are converted,
16-bit grey is divided by 257, transparent pixels are laid over white. An image is turned as its
EXIF orientation says.
"""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from transfer.errors import TransferError
from transfer.machine import cores

MAX_PIXELS = 4096 * 4096
SUFFIXES = (".jpg", ".jpeg", ".png")
#: Each thread may hold an image of MAX_PIXELS twice, 128 MiB: more threads, more memory.
_THREADS = min(4, cores())
_AT_ONCE = 256
#: How to turn an image by its EXIF orientation (CIPA DC-008, tag 0x0112); 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `read_images` could read, in the order of the paths.

    Attributes
    ----------
    images : uint8 (K, height, width, 3)
    kept : int64 (K,)
        Which of the paths they are.
    sides : int64 (K, 2)
        Height and width in the file, after turning.
    unreadable : list of (Path, TransferError)
        The others, and why.
    """

    images: np.ndarray
    kept: np.ndarray
    sides: np.ndarray
    unreadable: list[tuple[Path, TransferError]]


def read_image(path: Path, height: int, width: int) -> np.ndarray:
    """The image in ``path``, shrunk as a whole to ``height`` x ``width``; nothing is cropped.

    Returns
    -------
    uint8 (height, width, 3)
        RGB, 0..255.

    Raises
    ------
    TransferError
        If the file is missing, no JPEG or PNG, damaged, or of more than `MAX_PIXELS`.
    """
    with _no_warnings():
        return _decode(path, height, width)[0]


def read_images(paths: list[Path], height: int, width: int, progress: Iterator[object]) -> Decoded:
    """Read many images, each with `read_image`, several at a time.

    Parameters
    ----------
    paths : list of Path
    height, width : int
    progress : iterator
        Moved on by one an image.
    """
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)
    sides = np.empty((len(paths), 2), dtype=np.int64)
    kept: list[int] = []
    unreadable = []

    def attempt(path: Path) -> tuple[np.ndarray, tuple[int, int]] | TransferError:
        try:
            return _decode(path, height, width)
        except TransferError as error:
            return error

    # Pillow decodes and resizes without the interpreter's lock. Filters of warnings are global:
    # they are set once around all threads, not in each.
    with _no_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            batch = paths[start : start + _AT_ONCE]
            for position, found in enumerate(pool.map(attempt, batch), start):
                next(progress, None)
                if isinstance(found, TransferError):
                    unreadable.append((paths[position], found))
                    continue
                images[len(kept)], sides[len(kept)] = found
                kept.append(position)
    count = len(kept)
    return Decoded(images[:count], np.array(kept, np.int64), sides[:count], unreadable)


def _no_warnings() -> warnings.catch_warnings:
    """Pillow warns of images larger than ours may be, and of damaged EXIF, which is ignored."""
    return warnings.catch_warnings(action="ignore")


def _decode(path: Path, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The image, and its height and width in the file, after turning."""
    try:
        if not path.is_file():
            raise TransferError(f"Expected an image file at {path}. It is not there.")
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(path, f"{image.width} x {image.height}")
            orientation = _orientation(image)
            sideways = orientation in _SIDEWAYS
            sides = image.size if sideways else (image.height, image.width)
            small = _resized(image, (height, width) if sideways else (width, height))
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far more") from error
    except Image.UnidentifiedImageError as error:
        raise _damaged(path, "something else") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _damaged(path, str(error) or "a damaged file") from error
    if orientation in _TURNS:
        small = small.transpose(_TURNS[orientation])
    return np.asarray(small), sides


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """In RGB at ``size`` (width, height).

    Bilinear with Pillow's wide support: an average over the area when shrinking.
    """
    if image.mode.startswith("I"):  # Pillow's modes of 16-bit grey: "I;16", "I;16B", "I"
        deep = np.asarray(image).clip(0, 65535)
        image = Image.fromarray((deep // 257).astype(np.uint8))  # 65535 = 257 * 255
    if not image.has_transparency_data:
        return image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    small = image.convert("RGBA").resize(size, Image.Resampling.BILINEAR)  # weighted by alpha
    white = Image.new("RGBA", size, "white")
    return Image.alpha_composite(white, small).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1, upright, where there is none or EXIF is damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's TIFF reader raises anything; the pixels may be good all the same
        return 1


def _too_large(path: Path, size: str) -> TransferError:
    return TransferError(
        f"Expected an image of at most {MAX_PIXELS} pixels in {path}. Received: {size}; "
        "shrink it, then import again."
    )


def _damaged(path: Path, reason: str) -> TransferError:
    return TransferError(f"Expected a JPEG or PNG image in {path}. Received: {reason}.")
