"""``driving.csv``: drives of networks in the simulator, one row a drive, summarised by network."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.errors import TransferError
from transfer.runs import parse_run
from transfer.statistics.intervals import t_interval
from transfer.tables import read_table

#: Pilots that are no networks: the simulator's own driver, and one that never presses a key.
REFERENCES = ("driver", "forward")
COLUMNS = (
    *("network", "track", "seed", "clockwise", "frames", "distance", "interventions", "in_lane"),
    *("offset", "laps", "clean_laps"),
)
_NUMBERS = ("distance", "interventions", "in_lane", "offset", "laps", "clean_laps")
_FORMATS = "|".join(sorted(FORMAT_LABELS, key=len, reverse=True))
_NAME = re.compile(rf"(?P<run>.+?_s\d+)(_(?P<format>{_FORMATS}))?")


@dataclass(frozen=True)
class Summary:
    """All drives of a network together."""

    drives: int
    distance: float  #: half widths of the lane, all drives together
    interventions: int
    #: half widths an intervention, and its 95 % interval; infinite where none was needed
    per_intervention: tuple[float, float, float]
    #: interventions a lap, and its 95 % interval
    per_lap: tuple[float, float, float]
    #: mean share of frames in the lane over drives, and its 95 % interval (Student's t)
    in_lane: tuple[float, float, float]
    offset: float  #: mean distance from the centre line, half widths, over drives
    clean_laps: int


def summarise(drives: pd.DataFrame) -> Summary:
    """Summarise drives of one network.

    The interval of the distance between interventions is the exact one of a Poisson count (Garwood
    1936), widened as in a quasi-Poisson regression: the count is divided by the dispersion
    (Pearson's chi-square over its degrees of freedom, at least 1).
    """
    distance, laps = (float(drives[column].sum()) for column in ("distance", "laps"))
    count = int(drives["interventions"].sum())
    dispersion = _dispersion(drives["interventions"].to_numpy(), drives["distance"].to_numpy())
    low = stats.gamma.ppf(0.025, count / dispersion) * dispersion if count else 0.0
    high = stats.gamma.ppf(0.975, count / dispersion + 1) * dispersion
    mean, lowest, highest = t_interval(drives["in_lane"].to_numpy())
    return Summary(
        len(drives),
        distance,
        count,
        (_ratio(distance, count), _ratio(distance, high), _ratio(distance, low)),
        (_ratio(count, laps), _ratio(low, laps), _ratio(high, laps)),
        (mean, max(0.0, lowest), min(1.0, highest)),
        float(drives["offset"].mean()),
        int(drives["clean_laps"].sum()),
    )


def _dispersion(counts: np.ndarray, distances: np.ndarray) -> float:
    if len(counts) < 2 or counts.sum() == 0 or distances.min() <= 0:
        return 1.0
    expected = counts.sum() * distances / distances.sum()
    return max(1.0, float(np.sum((counts - expected) ** 2 / expected)) / (len(counts) - 1))


def _ratio(amount: float, count: float) -> float:
    return amount / count if count > 0 else math.inf


def read_drives(path: str | Path) -> pd.DataFrame:
    """``driving.csv`` as a data frame, one row a drive, columns `COLUMNS`."""
    return read_table(path, COLUMNS, dict.fromkeys(_NUMBERS, float))


def by_network(drives: pd.DataFrame) -> pd.DataFrame:
    """Interventions a lap of every network, all its seeds together.

    95 % intervals are Student's t over the network's seeds; with one seed, over its drives. That of
    ``per_lap`` is at least as wide as `summarise` gives over drives: where no seed needed help,
    another one still may.
    """
    parts = [_parsed(str(name)) for name in drives["network"]]
    named = drives.reset_index(drop=True).join(
        pd.DataFrame(parts, columns=["name", "kind", "n", "bn", "format", "network_seed"])
    )
    keys = ["name", "kind", "n", "bn", "format"]
    rows = []
    for key, group in named.groupby(keys, sort=False, dropna=False):
        by_seed = [drives for _, drives in group.groupby("network_seed")]
        rate, low, high = summarise(group).per_lap
        offsets = group["offset"].to_numpy(float)
        if len(by_seed) > 1:
            _, lowest, highest = t_interval([summarise(drives).per_lap[0] for drives in by_seed])
            low, high = max(0.0, min(low, lowest)), max(high, highest)
            offsets = np.array([drives["offset"].mean() for drives in by_seed])
        counts = (len(by_seed), len(group), rate, low, high)
        rows.append((*key, *counts, *t_interval(offsets), group["in_lane"].mean()))
    columns = ["network", *keys[1:], "seeds", "drives", "per_lap", "low", "high"]
    columns += ["offset", "offset_low", "offset_high", "in_lane"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def _parsed(name: str) -> tuple[str, str, int | None, str, str, int]:
    if name in REFERENCES:
        return name, "", None, "", "", 0
    match = _NAME.fullmatch(name)
    if not match:
        raise TransferError(f"Expected the name of a run or of its exported file: {name[:80]!r}.")
    run = parse_run(match["run"])
    return run.family, run.kind, run.n, run.bn, match["format"] or "", run.seed
