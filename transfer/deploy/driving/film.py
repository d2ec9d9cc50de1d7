"""A short film of a drive: what the camera sees, the key, and the track from above."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from transfer.deploy.driving.simulate import Course, Moment
from transfer.files import write_atomically
from transfer.tasks.dataset import CLASSES, HEIGHT
from transfer.tasks.lanes.track import TAPE_INNER, Track

_SCALE = 3  # screen pixels a camera pixel
_SIDE = HEIGHT * _SCALE  # of the map, screen pixels
_STRIDE = 3  # frames of the drive a picture
_PICTURE_MS = 80
_COLOURS = 64
_FLOOR, _TAPE, _LANE, _CAR = (70, 84, 96), (225, 220, 208), (98, 112, 124), (213, 94, 0)
_HISTORY = (230, 159, 0)
_ToMap = Callable[[float, float], tuple[float, float]]  # from half widths to pixels


def write_film(path: Path, title: str, course: Course, moments: Sequence[Moment]) -> None:
    """Write the moments of a drive as an animated GIF."""
    to_map, plan = _plan(course.track)
    numbers = range(0, len(moments), _STRIDE)
    pictures = [_picture(title, moments, number, to_map, plan) for number in numbers]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=_PICTURE_MS, loop=0
    )
    write_atomically(path, buffer.getvalue())


def _plan(track: Track) -> tuple[_ToMap, Image.Image]:
    """The track from above, and where a place on the floor lies on it: y upwards is downwards."""
    low, high = track.centre.min(0), track.centre.max(0)
    scale = (_SIDE - 6) / float((high - low).max() + 2 * track.tape_outer)

    def to_map(x: float, y: float) -> tuple[float, float]:
        right, up = (np.array([x, y]) - (low + high) / 2) * scale
        return _SIDE / 2 + float(right), _SIDE / 2 - float(up)

    plan = Image.new("RGB", (_SIDE, _SIDE), _FLOOR)
    draw = ImageDraw.Draw(plan)
    line = [to_map(x, y) for x, y in track.centre[::2]]
    for half_width, colour in ((track.tape_outer, _TAPE), (TAPE_INNER, _LANE)):
        radius = half_width * scale
        for x, y in line:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return to_map, plan


def _picture(
    title: str, moments: Sequence[Moment], number: int, to_map: _ToMap, plan: Image.Image
) -> Image.Image:
    moment = moments[number]
    height, width, _ = moment.image.shape
    footer = 16
    wide, high = width * _SCALE, height * _SCALE
    picture = Image.new("RGB", (wide + _SIDE, high + footer), (24, 28, 32))
    view = Image.fromarray(moment.image).resize((wide, high), Image.Resampling.NEAREST)
    picture.paste(view, (0, 0))
    drawn = plan.copy()
    draw = ImageDraw.Draw(drawn)
    path = [to_map(m.car.x, m.car.y) for m in moments[max(0, number - 90) : number + 1]]
    if len(path) > 1:
        draw.line(path, fill=_HISTORY, width=2)
    x, y = path[-1]
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=_CAR)
    picture.paste(drawn, (wide, 0))
    text = ImageDraw.Draw(picture)
    text.text((4, high + 2), f"{title}   key: {CLASSES[moment.key]}", fill="white")
    text.text((wide, high + 2), f"interventions: {moment.interventions}", fill="white")
    return picture.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
