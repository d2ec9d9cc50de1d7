"""What the frontal camera of the simulated car sees: perspective, tape, floor, light, noise.

Each pixel below the horizon is traced back to its point on the floor (inverse perspective mapping),
where the track says how far the tape is.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from transfer.tasks.lanes.driver import Car
from transfer.tasks.lanes.track import TAPE_INNER, Track, lookup

HEIGHT, WIDTH = 45, 80
_FLOORS = np.array([(28, 88, 104), (52, 80, 118), (60, 90, 112), (48, 62, 76), (70, 104, 128)])
_TAPES = np.array([(220, 214, 205), (250, 250, 250), (244, 224, 176), (226, 188, 172),
                   (168, 168, 166), (242, 214, 150)])  # fmt: skip
_PANORAMA = 512  # columns of the walls all around
_COLUMNS = (np.arange(WIDTH, dtype=np.float32) - (WIDTH - 1) / 2)[None, :]
_ROWS = (np.arange(HEIGHT, dtype=np.float32) - (HEIGHT - 1) / 2)[:, None]


@dataclass(frozen=True, eq=False)
class Scene:
    """A track, a camera and a light: what stays the same during a recording."""

    track: Track
    height: float  #: of the camera above the floor, half widths of the lane
    pitch: float  #: downwards, radians
    focal: float  #: focal length, pixels
    floor: np.ndarray  #: colour, float32 (3,), 0..255
    tape: np.ndarray  #: colour, float32 (3,), 0..255
    texture: np.ndarray  #: grey levels added to the floor, float32 (64, 64)
    highlights: np.ndarray  #: reflections of lamps all around, grey levels, float32 (45, 512)
    panorama: np.ndarray  #: walls all around, colours, float32 (45, 512, 3)
    light: np.ndarray  #: gain across the picture, float32 (45, 80, 1)
    piece: float  #: length of a piece of tape, half widths
    blur: float  #: standard deviation, pixels
    noise: float  #: standard deviation, grey levels
    quality: int  #: of the JPEG


def make_scene(track: Track, rng: np.random.Generator) -> Scene:
    """Draw a camera, colours and light for a recording on ``track``."""
    gain = rng.choice([rng.uniform(0.75, 1.1), rng.uniform(1.1, 1.5)])
    slope = rng.uniform(-0.25, 0.25, 2)
    light = gain * (1 + slope[0] * _ROWS / HEIGHT + slope[1] * _COLUMNS / WIDTH)
    return Scene(
        track,
        height=rng.uniform(1.0, 1.2),
        pitch=rng.uniform(0.26, 0.31),
        focal=rng.uniform(60, 68),
        floor=_near(_FLOORS, 14, rng),
        tape=_near(_TAPES, 8, rng),
        texture=gaussian_filter(rng.normal(0, 25, (64, 64)), 1.0, mode="wrap").astype(np.float32),
        highlights=_lamps(rng),
        panorama=_walls(rng),
        light=light.astype(np.float32)[..., None],
        piece=rng.uniform(2, 6),
        blur=rng.uniform(0.2, 0.7),
        noise=rng.uniform(1, 5),
        quality=int(rng.integers(60, 95)),
    )


def _near(colours: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    return (colours[rng.integers(len(colours))] + rng.normal(0, spread, 3)).astype(np.float32)


def _lamps(rng: np.random.Generator) -> np.ndarray:
    """Reflections of a ceiling: a grid of blurred spots that widens towards the camera."""
    sheet = np.zeros((HEIGHT, _PANORAMA))
    if rng.random() < 0.3:
        return sheet.astype(np.float32)
    pitch = rng.uniform(9, 16)
    for number, row in enumerate(np.geomspace(rng.uniform(12, 18), 44, int(rng.integers(3, 6)))):
        step = pitch * (0.7 + 0.12 * number)
        columns = (np.arange(0, _PANORAMA, step) + rng.uniform(-1, 1)).astype(int) % _PANORAMA
        sheet[int(row), columns] = rng.uniform(0.5, 1.0, len(columns))
    spots = gaussian_filter(sheet, rng.uniform(1.2, 2.2), mode=("constant", "wrap"))
    return (spots / spots.max() * rng.uniform(30, 130)).astype(np.float32)


def _walls(rng: np.random.Generator) -> np.ndarray:
    """Whatever stands around the floor: blurred boxes of dull colours."""
    sheet = np.empty((HEIGHT, _PANORAMA, 3))
    sheet[:] = _dull(rng)
    for _ in range(60):
        left, width = int(rng.integers(_PANORAMA)), int(rng.integers(3, 40))
        sheet[: rng.integers(4, HEIGHT), left : left + width] = _dull(rng)
    return gaussian_filter(sheet, (0.7, 1.2, 0), mode="wrap").astype(np.float32)


def _dull(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(10, 130) + rng.normal(0, 12, 3)


def render(scene: Scene, car: Car, rng: np.random.Generator) -> np.ndarray:
    """One frame, uint8 (45, 80, 3), RGB, with shake, flicker and noise of its own."""
    pitch = scene.pitch + rng.normal(0, 0.006)
    lean = rng.normal(0, 0.01)
    across = _COLUMNS / scene.focal
    down = _ROWS / scene.focal + lean * across  # (45, 80)
    fall = math.sin(pitch) + down * math.cos(pitch)
    depth = scene.height / np.maximum(fall, 0.03)
    ahead = depth * (math.cos(pitch) - down * math.sin(pitch))
    right = depth * across
    cos, sin = math.cos(car.heading), math.sin(car.heading)
    x = (car.x + ahead * cos + right * sin).astype(np.float32)
    y = (car.y + ahead * sin - right * cos).astype(np.float32)
    low, high = scene.track.room
    on_floor = (fall > 0.03) & (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    turned = (int(-car.heading * scene.focal) + np.arange(WIDTH)) % _PANORAMA
    frame = scene.panorama[:, turned].copy()
    frame[on_floor] = _floor(scene, x, y, depth, scene.highlights[:, turned])[on_floor]
    frame *= scene.light * rng.normal(1, 0.02)
    frame = gaussian_filter(frame, (scene.blur, scene.blur, 0))
    frame += rng.normal(0, scene.noise, frame.shape).astype(np.float32)
    picture, buffer = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8)), io.BytesIO()
    picture.save(buffer, "JPEG", quality=scene.quality)
    return np.asarray(Image.open(buffer))


def _floor(
    scene: Scene, x: np.ndarray, y: np.ndarray, depth: np.ndarray, highlights: np.ndarray
) -> np.ndarray:
    """Colours of floor points, float32 (45, 80, 3): floor, reflections, tape with its seams."""
    cells = (x * 8).astype(np.int32) % 64, (y * 8).astype(np.int32) % 64
    shade = scene.texture[cells] + highlights
    along, across = lookup(scene.track, x.ravel(), y.ravel())
    along, across = along.reshape(x.shape), np.abs(across).reshape(x.shape)
    pixel = depth / scene.focal  # of the floor in a pixel: edges are that soft
    inside = np.minimum(across - TAPE_INNER, scene.track.tape_outer - across)
    cover = np.clip(inside / pixel + 0.5, 0, 1)[..., None]
    seam = np.abs(along % scene.piece) < np.maximum(0.03, 0.5 * pixel)
    tape = scene.tape * np.where(seam, 0.8, 1.0)[..., None] + 0.25 * shade[..., None]
    return (1 - cover) * (scene.floor + shade[..., None]) + cover * tape
