"""The car of the simulator and a driver who presses keys as a person does.

The driver steers back to the middle of the lane (the law of Hoffmann et al. 2007, "Autonomous
automobile trajectory tracking for off-road driving", with a preview), reacts late, and presses
wrong keys. Corners are as tight as the car turns: on wide ones a key is tapped, and no picture
shows when.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer.tasks.lanes.track import Track, nearest

FORWARD, LEFT, RIGHT = 0, 1, 2
SPEED = 0.15  #: half widths a frame
TURNING_RADIUS = 2.2  #: half widths, while a key is pressed
_TURN = {FORWARD: 0.0, LEFT: SPEED / TURNING_RADIUS, RIGHT: -SPEED / TURNING_RADIUS}
_CENTRING = 0.12  # radians of correction per half width off the middle, for small ones
_WARM_UP = 40  # frames before a recording starts, so that it does not show the start


@dataclass(frozen=True)
class Car:
    """Where the camera is and where it looks: x, y in half widths, heading in radians."""

    x: float
    y: float
    heading: float


@dataclass(frozen=True)
class Driver:
    """Habits of one person."""

    look_ahead: float  #: distance at which the lane's direction is judged, half widths
    press: float  #: radians off the aim at which a key is pressed
    release: float  #: and at which it is released
    delay: int  #: frames between seeing and pressing
    mistakes: float  #: chance, per frame, of a few frames with another key than meant
    sway: float  #: standard deviation of the car's own change of heading, radians a frame


def make_driver(rng: np.random.Generator) -> Driver:
    """Draw a person's habits."""
    press = rng.uniform(0.24, 0.27)
    return Driver(
        look_ahead=rng.uniform(1.25, 1.4),
        press=press,
        release=press * rng.uniform(0.3, 0.5),
        delay=1,
        mistakes=0.002,
        sway=0.003,
    )


def start(track: Track, index: int = 0, offset: float = 0.0, turned: float = 0.0) -> Car:
    """A car at a point of the centre line, ``offset`` to its left, ``turned`` to the left."""
    (x, y), (along_x, along_y) = track.centre[index], track.tangents[index]
    heading = math.atan2(along_y, along_x) + turned
    return Car(float(x - offset * along_y), float(y + offset * along_x), heading)


def step(car: Car, key: int) -> Car:
    """One frame later, with ``key`` (0 forward, 1 left, 2 right) pressed; exact arc, no noise."""
    turn = _TURN[key]
    middle = car.heading + turn / 2
    reach = SPEED * (math.sin(turn / 2) / (turn / 2) if turn else 1.0)
    return Car(
        car.x + reach * math.cos(middle), car.y + reach * math.sin(middle), car.heading + turn
    )


def aim(track: Track, car: Car, look_ahead: float) -> float:
    """Radians, -pi..pi, from the heading to the one wanted; left positive.

    Wanted is the direction of the centre line ``look_ahead`` further, turned towards the middle.
    """
    index, left = nearest(track, car.x, car.y)
    along_x, along_y = track.tangents[
        (index + round(look_ahead / track.spacing)) % len(track.centre)
    ]
    wanted = math.atan2(along_y, along_x) - math.atan(_CENTRING * left)
    return math.remainder(wanted - car.heading, 2 * math.pi)


def choose_key(driver: Driver, angle: float, pressed: int) -> int:
    """The key meant at this angle, given the key pressed so far: press late, release later."""
    signed = {LEFT: angle, RIGHT: -angle}
    if pressed != FORWARD and signed[pressed] > driver.release:
        return pressed
    if abs(angle) > driver.press:
        return LEFT if angle > 0 else RIGHT
    return FORWARD


def record_lap(
    track: Track, driver: Driver, rng: np.random.Generator
) -> tuple[list[Car], np.ndarray]:
    """Record about one lap from a random place: for each frame the car, and the key, int64."""
    car = start(
        track, int(rng.integers(len(track.centre))), rng.uniform(-0.4, 0.4), rng.uniform(-0.2, 0.2)
    )
    frames = _WARM_UP + math.ceil(track.length / SPEED)
    slips, lengths = rng.random(frames) < driver.mistakes, rng.integers(2, 6, frames)
    wrong, sway = rng.integers(1, 3, frames), rng.normal(0, driver.sway, frames)
    cars: list[Car] = []
    keys: list[int] = []
    meant, slipping = FORWARD, 0
    seen = [aim(track, car, driver.look_ahead)] * (driver.delay + 1)
    for frame in range(frames):
        seen = [*seen[1:], aim(track, car, driver.look_ahead)]
        meant = choose_key(driver, seen[0], meant)
        if slips[frame]:
            slipping, slip = int(lengths[frame]), (meant + int(wrong[frame])) % 3
        key = slip if slipping else meant
        slipping = max(0, slipping - 1)
        cars.append(car)
        keys.append(key)
        car = step(car, key)
        car = replace(car, heading=car.heading + sway[frame])
    return cars[_WARM_UP:], np.array(keys[_WARM_UP:], dtype=np.int64)


def best_window(keys: np.ndarray, length: int, so_far: np.ndarray, shares: Sequence[float]) -> int:
    """First frame of the window of a drive that keeps a split nearest (L1) to ``shares``."""
    sums = np.concatenate([np.zeros((1, 3), np.int64), np.cumsum(np.eye(3, dtype=int)[keys], 0)])
    counts = so_far + sums[length:] - sums[:-length]
    wanted = np.array(shares) * (so_far.sum() + length)
    return int(np.argmin(np.abs(counts - wanted).sum(axis=1)))
