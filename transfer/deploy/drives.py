"""How far a network drives: drives on unseen tracks, ``driving.csv``, and the summary of it.

``python -m transfer drive STUDY_DIR/RUN --out DIR``
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from transfer.answers.statistics import t_interval
from transfer.deploy.driving import (
    Course,
    Drive,
    Moment,
    Pilot,
    drive,
    forward_pilot,
    make_course,
    network_pilot,
    simulator_pilot,
)
from transfer.deploy.film import write_film
from transfer.deploy.finished import read_finished
from transfer.deploy.runtimes import SUFFIXES, open_exported
from transfer.errors import TransferError, UsageError
from transfer.files import write_atomically
from transfer.results import format_number
from transfer.tasks.dataset import CLASSES, HEIGHT, WIDTH
from transfer.tasks.lane_driver import SPEED

#: Pilots that are no networks, by the name they are asked for.
REFERENCES = ("driver", "forward")
COLUMNS = ("network", *(field.name for field in dataclasses.fields(Drive)))
_MAX_TABLE_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Summary:
    """All drives of a network in one line.

    Attributes
    ----------
    drives : int
    distance : float
        Half widths of the lane, all drives together.
    interventions : int
    per_intervention : (float, float, float)
        Half widths an intervention, and its 95 % interval; infinite where none was needed.
    in_lane : (float, float, float)
        Mean share of frames in the lane over drives, and its 95 % interval (Student's t).
    offset : float
        Mean distance from the centre line, half widths, over drives.
    clean_laps : int
    """

    drives: int
    distance: float
    interventions: int
    per_intervention: tuple[float, float, float]
    in_lane: tuple[float, float, float]
    offset: float
    clean_laps: int


def drive_network(
    network: str | Path,
    out: str | Path,
    tracks: int = 8,
    seeds: Sequence[int] = (0, 1),
    laps: float = 2.0,
    film: bool = True,
) -> Summary:
    """Let a network drive, and record it in ``OUT/driving.csv`` (other networks' rows stay).

    Parameters
    ----------
    network : path
        ``STUDY_DIR/RUN_NAME``, an exported file, or a name of `REFERENCES`: ``driver`` is the
        simulator's own, ``forward`` never presses a key.
    out : path
        Folder; ``NETWORK.gif`` shows the first lap of the first drive.
    tracks, seeds : int, sequence of int
        Each track is driven once with each seed.
    laps : float
        Length of a drive.
    film : bool

    Raises
    ------
    TransferError
        If the network is not there or does not tell forward, left and right.
    """
    out = Path(out)
    if tracks < 1 or not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"Expected one track or more, and different seeds: {tracks}, {seeds}.")
    courses = [make_course(number, seed) for number in range(tracks) for seed in seeds]
    name, pilot = open_pilot(network, courses)
    moments: list[Moment] = []

    def watch(index: int, moment: Moment) -> None:
        if index == 0 and len(moments) < courses[0].track.length / SPEED:
            moments.append(moment)

    drives = drive(courses, pilot, laps, watch if film else None)
    write_atomically(out / "driving.csv", _with_rows(out / "driving.csv", name, drives))
    if film:
        write_film(out / f"{name}.gif", name, courses[0], moments)
    return summarise(pd.DataFrame([dataclasses.asdict(drive) for drive in drives]))


def open_pilot(network: str | Path, courses: Sequence[Course]) -> tuple[str, Pilot]:
    """Name and pilot of what is asked for; see `drive_network`."""
    if str(network) == "driver":
        return "driver", simulator_pilot(courses)
    if str(network) == "forward":
        return "forward", forward_pilot()
    path = Path(network)
    if path.suffix in SUFFIXES.values():
        opened = open_exported(path)
        about = opened.metadata
        if about.get("image_size") != [HEIGHT, WIDTH]:
            raise TransferError(
                f"Expected a network for frames of {HEIGHT}x{WIDTH}, which the simulator draws. "
                f"{path} is for {about.get('image_size')}."
            )
        _check_classes(about.get("classes"), path)
        name = f"{about.get('run', path.stem)}_{about.get('format', '')}"
        return name, network_pilot(opened.predict)
    finished = read_finished(path)
    _check_classes(list(finished.classes), path)
    from transfer.deploy.inference import build_for_inference

    model = build_for_inference(finished.architecture((HEIGHT, WIDTH)), finished.weights())
    predict: Callable[[np.ndarray], np.ndarray] = model.predict_on_batch
    return finished.run.name, network_pilot(predict)


def _check_classes(classes: object, path: Path) -> None:
    if classes != list(CLASSES):
        raise TransferError(
            f"Expected a network of the classes {', '.join(CLASSES)}, the keys of the car. "
            f"{path} has {classes}."
        )


def summarise(drives: pd.DataFrame) -> Summary:
    """Summarise drives of one network.

    The interval of the distance between interventions is the exact one of a Poisson count
    (Garwood 1936), widened where drives differ by more than chance: the count is divided by the
    dispersion (Pearson's chi-square over its degrees of freedom, at least 1), as in a
    quasi-Poisson regression. A track with one corner that a network cannot take makes it so.

    Parameters
    ----------
    drives : pandas.DataFrame
        Rows with the columns ``distance``, ``interventions``, ``in_lane``, ``offset``,
        ``clean_laps``.
    """
    distance, count = float(drives["distance"].sum()), int(drives["interventions"].sum())
    dispersion = _dispersion(drives["interventions"].to_numpy(), drives["distance"].to_numpy())
    low = stats.gamma.ppf(0.025, count / dispersion) * dispersion if count else 0.0
    high = stats.gamma.ppf(0.975, count / dispersion + 1) * dispersion
    mean, lowest, highest = t_interval(drives["in_lane"].to_numpy())
    return Summary(
        len(drives),
        distance,
        count,
        (_ratio(distance, count), _ratio(distance, high), _ratio(distance, low)),
        (mean, max(0.0, lowest), min(1.0, highest)),
        float(drives["offset"].mean()),
        int(drives["clean_laps"].sum()),
    )


def _dispersion(counts: np.ndarray, distances: np.ndarray) -> float:
    if len(counts) < 2 or counts.sum() == 0 or distances.min() <= 0:
        return 1.0
    expected = counts.sum() * distances / distances.sum()
    return max(1.0, float(np.sum((counts - expected) ** 2 / expected)) / (len(counts) - 1))


def _ratio(distance: float, count: float) -> float:
    return distance / count if count > 0 else math.inf


def read_drives(path: str | Path) -> pd.DataFrame:
    """``driving.csv`` as a data frame, one row a drive, columns `COLUMNS`.

    Raises
    ------
    TransferError
        If the file is missing, too large or has other columns.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise TransferError(f"Expected at most {_MAX_TABLE_BYTES} bytes in {path}.")
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise TransferError(f"Cannot read the table of drives {path}.") from error
    if list(frame.columns) != list(COLUMNS):
        raise TransferError(f"Expected the columns {', '.join(COLUMNS)} in {path}.")
    return frame


def _with_rows(path: Path, name: str, drives: Sequence[Drive]) -> str:
    """The text of driving.csv with this network's drives in place of older ones."""
    rows = [{"network": name, **dataclasses.asdict(one)} for one in drives]
    if path.exists():
        older = read_drives(path)
        rows = older[older["network"] != name].to_dict("records") + rows
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.to_csv(index=False, float_format=format_number, lineterminator="\n")
