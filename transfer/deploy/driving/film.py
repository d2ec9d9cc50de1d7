"""A short film of a drive: what the camera sees, the key, and the track from above."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from transfer.deploy.driving.simulate import Course, Moment
from transfer.files import write_atomically
from transfer.tasks.dataset import CLASSES, HEIGHT
from transfer.tasks.lanes.track import TAPE_INNER

_SCALE = 3  # screen pixels a camera pixel
_STRIDE = 3  # frames of the drive a picture
_PICTURE_MS = 80
_COLOURS = 64
_FLOOR, _TAPE, _LANE, _CAR = (70, 84, 96), (225, 220, 208), (98, 112, 124), (213, 94, 0)
_HISTORY = (230, 159, 0)


def write_film(path: Path, title: str, course: Course, moments: Sequence[Moment]) -> None:
    """Write the moments of a drive as an animated GIF.

    Raises `TransferError` if the file cannot be written.
    """
    to_map, plan = _plan(course, HEIGHT * _SCALE)
    pictures = [
        _picture(title, moments, number, to_map, plan) for number in range(0, len(moments), _STRIDE)
    ]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=_PICTURE_MS, loop=0
    )
    write_atomically(path, buffer.getvalue())


def _plan(course: Course, side: int) -> tuple["_ToMap", Image.Image]:
    """The track from above on a square of ``side`` pixels."""
    to_map = _ToMap(course, side)
    plan = Image.new("RGB", (side, side), _FLOOR)
    draw = ImageDraw.Draw(plan)
    line = [to_map(x, y) for x, y in course.track.centre[::2]]
    for half_width, colour in ((course.track.tape_outer, _TAPE), (TAPE_INNER, _LANE)):
        radius = half_width * to_map.scale
        for x, y in line:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return to_map, plan


class _ToMap:
    """From half widths on the floor to pixels of the map; y upwards becomes y downwards."""

    def __init__(self, course: Course, side: int) -> None:
        low, high = course.track.centre.min(0), course.track.centre.max(0)
        self.side = side
        self.scale = (side - 6) / float((high - low).max() + 2 * course.track.tape_outer)
        self._middle = (low + high) / 2

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        right, up = (np.array([x, y]) - self._middle) * self.scale
        return self.side / 2 + float(right), self.side / 2 - float(up)


def _picture(
    title: str, moments: Sequence[Moment], number: int, to_map: _ToMap, plan: Image.Image
) -> Image.Image:
    moment = moments[number]
    height, width, _ = moment.image.shape
    footer = 16
    picture = Image.new(
        "RGB", (width * _SCALE + to_map.side, height * _SCALE + footer), (24, 28, 32)
    )
    view = Image.fromarray(moment.image).resize(
        (width * _SCALE, height * _SCALE), Image.Resampling.NEAREST
    )
    picture.paste(view, (0, 0))
    drawn = plan.copy()
    draw = ImageDraw.Draw(drawn)
    path = [to_map(m.car.x, m.car.y) for m in moments[max(0, number - 90) : number + 1]]
    if len(path) > 1:
        draw.line(path, fill=_HISTORY, width=2)
    x, y = path[-1]
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=_CAR)
    picture.paste(drawn, (width * _SCALE, 0))
    text = ImageDraw.Draw(picture)
    line = height * _SCALE + 2
    text.text((4, line), f"{title}   key: {CLASSES[moment.key]}", fill="white")
    text.text((width * _SCALE, line), f"interventions: {moment.interventions}", fill="white")
    return picture.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
