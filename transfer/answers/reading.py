"""What an answer is made from, read once: runs, comparisons with baseB, baselines."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transfer.results import on_all_images, read_runs
from transfer.runs import Run
from transfer.statistics.comparison import Comparison, Key, Tested, against_base, read_tested
from transfer.statistics.differences import Difference
from transfer.study_file import read_settings
from transfer.tasks.checks.baselines import read_baselines

_BASELINES = {
    "nearest_neighbours": "nearest neighbours on pixels",
    "linear": "a linear classifier on pixels",
}


@dataclass(frozen=True, eq=False)
class Reading:
    """A study as far as its answer needs it."""

    folder: Path
    name: str  #: of the data set
    protocol: str  #: its name
    classes: tuple[str, ...]
    every_run: pd.DataFrame
    runs: pd.DataFrame  #: those on all training images
    tested: Tested
    compared: dict[Key, Comparison]  #: with baseB; empty without one
    means: dict[Key, Difference]  #: mean accuracy of every network
    margin: float  #: 0..1 units
    floor: float  #: accuracy of always answering one class
    #: the better of the classifiers without a network, if their accuracies are at hand
    pixels: tuple[str, float] | None

    def of_kind(self, kind: str, bn: str) -> dict[int, Comparison]:
        """Comparisons of a kind with baseB, by n, in rising order."""
        family = [key for key in self.tested.family(kind, bn) if key in self.compared]
        return {key[1]: self.compared[key] for key in family if key[1] is not None}

    def mean(self, key: Key) -> float:
        """Mean accuracy of a network, 0..1."""
        return float(self.means[key].estimate)

    def runs_of(self, key: Key) -> pd.DataFrame:
        """The runs of a network on all training images."""
        kind, n, bn = key
        runs = self.runs[(self.runs["kind"] == kind) & (self.runs["bn"] == bn)]
        return runs[runs["n"].isna() if n is None else runs["n"] == n]

    @property
    def semantics(self) -> list[str]:
        """Semantics of BatchNorm that AnB was run under, ``inference`` first."""
        ran = self.runs.loc[self.runs["kind"] == "AnB", "bn"].unique().tolist()
        return sorted(map(str, ran), key=lambda bn: (bn != "inference", bn))


def read(study_dir: str | Path, margin: float, metric: str) -> Reading:
    """Read a study."""
    folder = Path(study_dir)
    every_run, settings = read_runs(folder), read_settings(folder)
    tested = read_tested(folder, metric)
    column = "accuracy" if metric == "accuracy" else "balanced_accuracy"
    baselines = read_baselines(folder).set_index("baseline")[column]
    pixels = [(_BASELINES[key], float(baselines[key])) for key in _BASELINES if key in baselines]
    return Reading(
        folder=folder,
        name=settings.dataset,
        protocol=settings.protocol.name,
        classes=settings.classes,
        every_run=every_run,
        runs=on_all_images(every_run),
        tested=tested,
        compared=against_base(tested, margin),
        means=tested.means,
        margin=margin,
        floor=tested.floor,
        pixels=max(pixels, key=lambda pair: pair[1]) if pixels else None,
    )


def name_of(key: Key) -> str:
    """A network without its semantics: ``A7B``, ``sliced-7``."""
    kind, n, bn = key
    return Run(kind, n, 0, bn).network
