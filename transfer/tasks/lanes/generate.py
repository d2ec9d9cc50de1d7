"""The default target task: drives of a simulated toy car on floors with lanes of tape.

Layout and class shares are about those of the published data. No two splits share a recording.
"""

import contextlib
import multiprocessing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.files import refuse_occupied
from transfer.machine import cores
from transfer.progress import track as show_progress
from transfer.tasks.dataset import CLASSES, SPLITS, Split, write_dataset
from transfer.tasks.lanes.camera import HEIGHT, WIDTH, make_scene, render
from transfer.tasks.lanes.driver import RIGHT, Car, best_window, make_driver, record_lap
from transfer.tasks.lanes.track import Track, make_track

_SHARES = (0.53, 0.29, 0.18)  # of the published data
_FRAMES = 50  # of a recording at most
_LEAST_RECORDINGS = 3
_CLOCKWISE = 0.35  # share of drives that turn right more than left
LEAST_IMAGES = 30  #: of a split, so that every class occurs
_IMAGES_WORTH_A_PROCESS = 1000  # which takes a second to start


def generate(
    out: str | Path, train: int = 6000, valid: int = 1500, test: int = 2000, seed: int = 0
) -> None:
    """Simulate drives and write them as a data set.

    The frames of a split are a function of the seed and the split's own size alone.
    """
    sizes = dict(zip(SPLITS, (train, valid, test), strict=True))
    for name, images in sizes.items():
        if images < LEAST_IMAGES:
            raise TransferError(
                f"Expected {LEAST_IMAGES} {name} images or more, so that every class occurs. "
                f"Received: {images}."
            )
    if seed < 0:
        raise TransferError(f"Expected a seed of 0 or more. Received: {seed}.")
    refuse_occupied(Path(out))
    splits = {
        name: _simulate(images, [seed, number], number * 1_000_000, name)
        for number, (name, images) in enumerate(sizes.items())
    }
    recipe = {"generator": "lanes", "seed": seed, "images": sizes}
    write_dataset(
        out, splits, name="lanes", height=HEIGHT, width=WIDTH, classes=CLASSES, recipe=recipe
    )


@dataclass(frozen=True, eq=False)
class _Recording:
    """A drive, and the generator whose next numbers are the scene's and the frames'."""

    track: Track
    cars: list[Car]
    keys: np.ndarray
    rng: np.random.Generator


def _simulate(images: int, seed: list[int], first_recording: int, name: str) -> Split:
    """Record drives until there are enough frames, and render them on all cores."""
    recordings = _record(images, seed)
    processes = min(cores(), images // _IMAGES_WORTH_A_PROCESS)
    frames = np.empty((images, HEIGHT, WIDTH, 3), np.uint8)
    with contextlib.ExitStack() as stack:
        rendered: Iterable[np.ndarray] = map(_render, recordings)
        if processes > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(processes))
            rendered = pool.imap(_render, recordings)
        begin = 0
        for part in show_progress(rendered, len(recordings), f"simulating {name}"):
            frames[begin : begin + len(part)] = part
            begin += len(part)
    labels = np.concatenate([recording.keys for recording in recordings])
    lengths = [len(recording.keys) for recording in recordings]
    return Split(frames, labels, np.repeat(first_recording + np.arange(len(recordings)), lengths))


def _record(images: int, seed: list[int]) -> list[_Recording]:
    """Recordings one after another: each is cut by the class shares of those before."""
    recordings: list[_Recording] = []
    counts = np.zeros(len(CLASSES), np.int64)
    length = min(_FRAMES, -(-images // _LEAST_RECORDINGS))
    starts = range(0, images, length)
    for number, begin in enumerate(starts):
        frames = min(length, images - begin)
        rng = np.random.default_rng([*seed, number])
        clockwise = rng.random() < _CLOCKWISE
        if number >= len(starts) - 2 and counts.min() == 0:  # a small split needs every class
            clockwise = counts[RIGHT] == 0
        track = make_track(rng, clockwise)
        cars, keys = record_lap(track, make_driver(rng), rng)
        first = best_window(keys, frames, counts, _SHARES)
        window = slice(first, first + frames)
        recordings.append(_Recording(track, cars[window], keys[window], rng))
        counts += np.bincount(keys[window], minlength=len(CLASSES))
    return recordings


def _render(recording: _Recording) -> np.ndarray:
    """The frames of a recording, uint8 (frames, 45, 80, 3)."""
    scene = make_scene(recording.track, recording.rng)
    return np.stack([render(scene, car, recording.rng) for car in recording.cars])
