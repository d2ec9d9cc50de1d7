"""Let networks drive on unseen tracks, record it in ``driving.csv``, and film the first lap."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.deploy.driving import simulate
from transfer.deploy.driving.table import COLUMNS, Summary, summarise
from transfer.deploy.export.open import is_exported, open_network
from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.runs import parse_runs
from transfer.tables import upsert
from transfer.tasks.dataset import CLASSES, HEIGHT, WIDTH
from transfer.tasks.lanes.driver import SPEED
from transfer.tasks.lanes.track import TAPE_INNER, Track

_SCALE = 3  # screen pixels a camera pixel
_SIDE = HEIGHT * _SCALE  # of the map, screen pixels
_STRIDE = 3  # frames of the drive a picture
_PICTURE_MS = 80
_COLOURS = 64
_FLOOR, _TAPE, _LANE, _CAR = (70, 84, 96), (225, 220, 208), (98, 112, 124), (213, 94, 0)
_HISTORY = (230, 159, 0)
_ToMap = Callable[[float, float], tuple[float, float]]  # from half widths to pixels


def drive_network(
    network: str | Path,
    out: str | Path,
    tracks: int = 8,
    seeds: Sequence[int] = (0, 1),
    laps: float = 2.0,
    film: bool = True,
) -> Summary:
    """Let a network drive, and record it in ``OUT/driving.csv`` (other networks' rows stay).

    ``network``: ``STUDY_DIR/RUN_NAME``, an exported file, ``driver`` (the simulator's own) or
    ``forward`` (never presses a key). ``NETWORK.gif`` shows the first lap.
    """
    out = Path(out)
    if tracks < 1 or not seeds or len(set(seeds)) < len(seeds):
        raise TransferError(f"Expected one track or more, and different seeds: {tracks}, {seeds}.")
    courses = [simulate.make_course(number, seed) for number in range(tracks) for seed in seeds]
    name, pilot = open_pilot(network, courses)
    moments: list[simulate.Moment] = []

    def watch(index: int, moment: simulate.Moment) -> None:
        if index == 0 and len(moments) < courses[0].track.length / SPEED:
            moments.append(moment)

    drives = simulate.drive(courses, pilot, laps, watch if film else None)
    rows = pd.DataFrame([{"network": name, **dataclasses.asdict(one)} for one in drives])
    upsert(out / "driving.csv", rows[list(COLUMNS)], ("network",))
    if film:
        write_film(out / f"{name}.gif", name, courses[0], moments)
    return summarise(rows)


def open_pilot(
    network: str | Path, courses: Sequence[simulate.Course]
) -> tuple[str, simulate.Pilot]:
    """The name and the pilot of a network as `drive_network` takes it."""
    if str(network) == "driver":
        return "driver", simulate.simulator_pilot(courses)
    if str(network) == "forward":
        return "forward", simulate.forward_pilot()
    path = Path(network)
    opened = open_network(path, (HEIGHT, WIDTH))
    about = opened.metadata
    if about["image_size"] != [HEIGHT, WIDTH]:
        height, width = about["image_size"]
        raise TransferError(
            f"Expected a network for frames of {HEIGHT}x{WIDTH}, which the simulator draws. "
            f"{path} is for {height}x{width}."
        )
    if about["classes"] != list(CLASSES):
        raise TransferError(
            f"Expected a network of the classes {', '.join(CLASSES)}, the keys of the car. "
            f"{path} has {', '.join(about['classes'])}."
        )
    name = _name(about, path) if is_exported(path) else about["run"]
    return name, simulate.network_pilot(opened.predict)


def _name(about: Mapping[str, object], path: Path) -> str:
    """``RUN_FORMAT``, from the metadata of a file; checked, since it becomes a file name."""
    (run,) = parse_runs([about.get("run")], f"the metadata of {path}")
    name = str(about.get("format"))
    if name not in FORMAT_LABELS:
        raise TransferError(f"Expected a known format in the metadata of {path}.")
    return f"{run.name}_{name}"


def write_film(
    path: Path, title: str, course: simulate.Course, moments: Sequence[simulate.Moment]
) -> None:
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
    title: str, moments: Sequence[simulate.Moment], number: int, to_map: _ToMap, plan: Image.Image
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
