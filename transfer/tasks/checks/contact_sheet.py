"""A contact sheet: some images of every class, to see at a glance whether the labels are right."""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transfer.tasks.dataset import Split

_COLUMNS = 8
_ROWS = 100  # of more classes, the first are shown
_HEIGHT = 96  # of one image, in pixels
_GAP, _LINE = 4, 18
_INK, _PAPER = "black", "white"


def contact_sheet(split: Split, classes: tuple[str, ...]) -> bytes:
    """A PNG with a row a class: its name, its number of images, and eight spread over all."""
    # Pillow's own font knows Latin letters only; the one matplotlib brings knows many more.
    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(path, 12)
    height, width = split.images.shape[1:3]
    scale = _HEIGHT / max(height, width / 2)  # a panorama twice as wide as high fills its place
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shown = classes[:_ROWS]
    row = _LINE + size[1] + _GAP
    left_out = len(classes) - len(shown)
    sheet = Image.new(
        "RGB",
        (
            max(400, _COLUMNS * (size[0] + _GAP) + _GAP),
            len(shown) * row + (_LINE if left_out else 0) + _GAP,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for label, name in enumerate(shown):
        top = label * row
        of_class = np.flatnonzero(split.labels == label)
        text = f"{label}  {name}  ({len(of_class):,} images in train)"
        draw.text((_GAP, top + 2), text, _INK, font)
        places = np.linspace(0, len(of_class) - 1, min(_COLUMNS, len(of_class)))
        chosen = of_class[places.astype(np.int64)]
        for place, index in enumerate(chosen):
            image = Image.fromarray(np.ascontiguousarray(split.images[index]))
            # Nearest: the pixels a network gets, not a smoothed picture of them.
            grown = image.resize(size, Image.Resampling.NEAREST)
            sheet.paste(grown, (_GAP + place * (size[0] + _GAP), top + _LINE))
    if left_out:
        draw.text((_GAP, len(shown) * row + 2), f"and {left_out} more classes", _INK, font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()
