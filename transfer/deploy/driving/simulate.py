"""Closed loop: a pilot drives the simulated car from what the camera sees.

A car that leaves the outer edge of the tape, or faces backwards, is put back on the centre line: an
intervention. No data set has these tracks, cameras and lights.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer.errors import TransferError
from transfer.tasks.lanes.camera import Scene, make_scene, render
from transfer.tasks.lanes.driver import (
    FORWARD,
    SPEED,
    Car,
    aim,
    choose_key,
    make_driver,
    start,
    step,
)
from transfer.tasks.lanes.track import TAPE_INNER, Track, make_track, nearest

_SWAY = 0.003  # the car's own disturbance of the heading, radians a frame, as in the recordings
_MAX_NUMBER = 1 << 31

#: The keys of the cars under way. Given: which courses these are, the cars, and a function that
#: returns what their cameras see, uint8 (cars, 45, 80, 3). Returned: int64 (cars,).
Pilot = Callable[[Sequence[int], Sequence[Car], Callable[[], np.ndarray]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Course:
    """A track, what the camera sees of it, and where the car starts."""

    #: the track is a function of ``number``; camera, light, start and disturbances of both
    number: int
    seed: int
    clockwise: bool
    track: Track
    scene: Scene
    car: Car
    seed_words: tuple[int, ...]  #: of the drive's own random numbers


@dataclass(frozen=True)
class Drive:
    """How a drive went."""

    track: int
    seed: int
    clockwise: bool
    frames: int
    distance: float  #: progress along the centre line, half widths of the lane
    interventions: int
    in_lane: float  #: share of the frames with the car's camera between the stripes of tape, 0..1
    offset: float  #: mean distance from the centre line, half widths
    laps: float  #: distance over the length of a lap
    clean_laps: int  #: whole laps in a row without an intervention


@dataclass(frozen=True, eq=False)
class Moment:
    """What a watcher is told of a frame: camera image (45, 80, 3), pose, key, interventions."""

    image: np.ndarray
    car: Car
    key: int
    interventions: int


def make_course(number: int, seed: int) -> Course:
    """Track ``number`` with the camera, light and start of ``seed``; every third clockwise."""
    if not 0 <= number < _MAX_NUMBER or not 0 <= seed < _MAX_NUMBER:
        raise TransferError(f"Expected a track and a seed of 0 or more: {number}, {seed}.")
    clockwise = number % 3 == 2
    # Data sets are seeded with three words, which count as followed by zeros: never these four.
    track = make_track(np.random.default_rng([number, 0, 0, 1]), clockwise)
    rng = np.random.default_rng([number, seed, 0, 2])
    scene = make_scene(track, rng)
    car = start(
        track, int(rng.integers(len(track.centre))), rng.uniform(-0.4, 0.4), rng.uniform(-0.2, 0.2)
    )
    return Course(number, seed, clockwise, track, scene, car, (number, seed, 0, 3))


def drive(
    courses: Sequence[Course],
    pilot: Pilot,
    laps: float = 2.0,
    watch: Callable[[int, Moment], None] | None = None,
) -> list[Drive]:
    """Drive all courses side by side, so that a network sees them as one batch.

    ``watch``: called with the position of a course and the `Moment`, every frame.
    """
    if not 0 < laps <= 1000:
        raise TransferError(f"Expected laps above 0 and at most 1000. Received: {laps:g}.")
    cars = [_OnTheWay(course) for course in courses]
    frames = [math.ceil(laps * course.track.length / SPEED) for course in courses]
    for frame in range(max(frames, default=0)):
        active = [index for index, count in enumerate(frames) if frame < count]
        see = functools.cache(lambda active=active: np.stack([cars[i].see() for i in active]))
        keys = pilot(active, [cars[index].car for index in active], see)
        for position, index in enumerate(active):
            if watch:
                car = cars[index]
                moment = Moment(see()[position], car.car, int(keys[position]), car.interventions)
                watch(index, moment)
            cars[index].go(int(keys[position]))
    return [car.summary() for car in cars]


class _OnTheWay:
    """A car during its drive, and what is counted."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.car = course.car
        self.interventions = 0
        self._camera, self._sway = (
            np.random.default_rng([*course.seed_words, stream]) for stream in (1, 2)
        )
        self._index, _ = nearest(course.track, self.car.x, self.car.y)
        self._frames = self._in_lane = self._clean_laps = 0
        self._distance = self._since_intervention = self._offsets = 0.0

    def see(self) -> np.ndarray:
        return render(self.course.scene, self.car, self._camera)

    def go(self, key: int) -> None:
        """One frame: count where the car is, move it, put it back if it must be."""
        track = self.course.track
        _, left = nearest(track, self.car.x, self.car.y)
        self._frames += 1
        self._in_lane += abs(left) <= TAPE_INNER
        self._offsets += abs(left)
        car = step(self.car, key)
        self.car = replace(car, heading=car.heading + self._sway.normal(0, _SWAY))
        index, left = nearest(track, self.car.x, self.car.y)
        self._advance(index)
        along_x, along_y = track.tangents[index]
        ahead = math.cos(self.car.heading) * along_x + math.sin(self.car.heading) * along_y
        if abs(left) > track.tape_outer or ahead < 0:
            self.interventions += 1
            self._since_intervention = 0.0
            self.car = start(track, index)

    def _advance(self, index: int) -> None:
        points = len(self.course.track.centre)
        gone = (index - self._index + points // 2) % points - points // 2  # the shorter way round
        self._index = index
        self._distance += gone * self.course.track.spacing
        self._since_intervention += gone * self.course.track.spacing
        if self._since_intervention >= self.course.track.length:
            self._clean_laps += 1
            self._since_intervention -= self.course.track.length

    def summary(self) -> Drive:
        return Drive(
            self.course.number,
            self.course.seed,
            self.course.clockwise,
            self._frames,
            round(self._distance, 3),
            self.interventions,
            round(self._in_lane / self._frames, 6),
            round(self._offsets / self._frames, 4),
            round(self._distance / self.course.track.length, 4),
            self._clean_laps,
        )


def network_pilot(predict: Callable[[np.ndarray], np.ndarray]) -> Pilot:
    """Press the key of the most probable class of every frame; nothing is remembered."""
    return lambda active, cars, see: predict(see()).argmax(1)


def forward_pilot() -> Pilot:
    """Never press a key: what driving is worth without looking."""
    return lambda active, cars, see: np.full(len(cars), FORWARD)


def simulator_pilot(courses: Sequence[Course]) -> Pilot:
    """The simulator's own driver, who knows the track and makes no mistakes: the best there is."""
    drivers = [make_driver(np.random.default_rng([*course.seed_words, 3])) for course in courses]
    pressed = [FORWARD] * len(courses)
    seen = [
        [aim(course.track, course.car, driver.look_ahead)] * (driver.delay + 1)
        for course, driver in zip(courses, drivers, strict=True)
    ]

    def choose(
        active: Sequence[int], cars: Sequence[Car], see: Callable[[], np.ndarray]
    ) -> np.ndarray:
        for index, car in zip(active, cars, strict=True):
            driver = drivers[index]
            angle = aim(courses[index].track, car, driver.look_ahead)
            seen[index] = [*seen[index][1:], angle]
            pressed[index] = choose_key(driver, seen[index][0], pressed[index])
        return np.array([pressed[index] for index in active])

    return choose
