"""Let networks drive on unseen tracks and record it in ``driving.csv``."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.deploy.driving.film import write_film
from transfer.deploy.driving.simulate import (
    Course,
    Moment,
    Pilot,
    drive,
    forward_pilot,
    make_course,
    network_pilot,
    simulator_pilot,
)
from transfer.deploy.driving.table import COLUMNS, Summary, summarise
from transfer.deploy.export.open import is_exported, open_network
from transfer.errors import TransferError
from transfer.runs import parse_runs
from transfer.tables import upsert
from transfer.tasks.dataset import CLASSES, HEIGHT, WIDTH
from transfer.tasks.lanes.driver import SPEED


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
    ``forward`` (never presses a key). Each track is driven once with each seed; ``NETWORK.gif``
    shows the first lap.
    """
    out = Path(out)
    if tracks < 1 or not seeds or len(set(seeds)) < len(seeds):
        raise TransferError(f"Expected one track or more, and different seeds: {tracks}, {seeds}.")
    courses = [make_course(number, seed) for number in range(tracks) for seed in seeds]
    name, pilot = open_pilot(network, courses)
    moments: list[Moment] = []

    def watch(index: int, moment: Moment) -> None:
        if index == 0 and len(moments) < courses[0].track.length / SPEED:
            moments.append(moment)

    drives = drive(courses, pilot, laps, watch if film else None)
    rows = pd.DataFrame([{"network": name, **dataclasses.asdict(one)} for one in drives])
    upsert(out / "driving.csv", rows[list(COLUMNS)], ("network",))
    if film:
        write_film(out / f"{name}.gif", name, courses[0], moments)
    return summarise(rows)


def open_pilot(network: str | Path, courses: Sequence[Course]) -> tuple[str, Pilot]:
    """The name and the pilot of a network as `drive_network` takes it."""
    if str(network) == "driver":
        return "driver", simulator_pilot(courses)
    if str(network) == "forward":
        return "forward", forward_pilot()
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
    return name, network_pilot(opened.predict)


def _name(about: Mapping[str, object], path: Path) -> str:
    """``RUN_FORMAT``, from the metadata of a file; checked, since it becomes a file name."""
    (run,) = parse_runs([about.get("run")], f"the metadata of {path}")
    name = str(about.get("format"))
    if name not in FORMAT_LABELS:
        raise TransferError(f"Expected a known format in the metadata of {path}.")
    return f"{run.name}_{name}"
