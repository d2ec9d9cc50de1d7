"""Read image files from anywhere, shrunk to one size, without trusting them.

The size an image declares is checked before its pixels are decoded: a few bytes of PNG can declare
gigabytes. Only JPEG and PNG are decoded; Pillow knows dozens of rarer formats and their bugs.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from transfer.errors import TransferError

MAX_PIXELS = 4096 * 4096
SUFFIXES = (".jpg", ".jpeg", ".png")
_DEEP = ("I", "F")  # Pillow's modes of more than 8 bits: "I", "I;16", "I;16B", "F"


def read_image(path: Path, height: int, width: int) -> np.ndarray:
    """The image in ``path``, shrunk as a whole to ``height`` x ``width``; nothing is cropped.

    Returns
    -------
    uint8 (height, width, 3)
        RGB, 0..255; transparency is ignored.

    Raises
    ------
    TransferError
        If the file is missing, no JPEG or PNG, damaged, of more than 8 bits a channel, or of more
        than `MAX_PIXELS`.
    """
    try:
        if not path.is_file():
            raise TransferError(f"Expected an image file at {path}. It is not there.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(path, f"{image.width} x {image.height}")
                if image.mode.startswith(_DEEP):
                    raise TransferError(
                        f"Expected 8 bits a channel in {path}. Received: more; save it as 8-bit."
                    )
                # Bilinear with Pillow's wide support: an average over the area when shrinking.
                small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far more") from error
    except Image.UnidentifiedImageError as error:
        raise _damaged(path, "something else") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _damaged(path, str(error) or "a damaged file") from error
    return np.asarray(small)


def _too_large(path: Path, size: str) -> TransferError:
    return TransferError(
        f"Expected an image of at most {MAX_PIXELS} pixels in {path}. Received: {size}; "
        "shrink or remove it, then import again."
    )


def _damaged(path: Path, reason: str) -> TransferError:
    return TransferError(
        f"Expected a JPEG or PNG image in {path}. Received: {reason}; "
        "replace or remove it, then import again."
    )


def read_images(
    paths: list[Path],
    height: int,
    width: int,
    progress: Iterator[object],
    unreadable: list[TransferError] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read many images, each with `read_image`.

    Parameters
    ----------
    paths : list of Path
    height, width : int
    progress : iterator
        Moved on by one an image.
    unreadable : list, optional
        Takes the errors of images left out; without it the first error is raised.

    Returns
    -------
    images : uint8 (K, height, width, 3)
    kept : int64 (K,)
        Which of ``paths`` they are.
    """
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)
    kept: list[int] = []
    for position, path in enumerate(paths):
        next(progress, None)
        try:
            images[len(kept)] = read_image(path, height, width)
        except TransferError as error:
            if unreadable is None:
                raise
            unreadable.append(error)
            continue
        kept.append(position)
    return images[: len(kept)], np.array(kept, dtype=np.int64)
