"""Every figure of a study, drawn from its CSVs and from nothing else."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.deploy.costs.pareto import candidates
from transfer.deploy.costs.table import read_costs
from transfer.deploy.driving.table import by_network, read_drives
from transfer.deploy.reestimation.table import read_reestimation
from transfer.errors import TransferError
from transfer.figures import accuracy
from transfer.figures.measured import agreement_figure, driving_against_n, reestimation_against_n
from transfer.figures.pareto import pareto_figure
from transfer.figures.style import save
from transfer.results import as_keras_3, on_all_images, read_runs
from transfer.scores.agreement import FOLDER, read_agreement
from transfer.statistics.gain import gains, has_sizes, without_base
from transfer.statistics.intervals import predicted, with_intervals
from transfer.tables import read_table
from transfer.tasks.checks.baselines import read_baselines

#: The published accuracies, which a package installed without the repository lacks.
_PUBLISHED = Path(__file__).parents[2] / "experiments-results/published/all_experiments.csv"
#: Kinds, with their semantics of BatchNorm, that `negative_transfer` needs.
_FALL = {("baseB", ""), ("AnB", "legacy"), ("BnB", "legacy")}


def read_published(path: Path) -> pd.DataFrame:
    """A table ``network,block,test_accuracy`` as a frame of runs without intervals."""
    types = {"network": str, "block": "int64", "test_accuracy": "float64"}
    table = read_table(path, list(types), types)
    # The published test set holds the classes in equal shares: both metrics are one.
    table = table.rename(columns={"network": "kind", "block": "n"})
    table["test_balanced_accuracy"] = table["test_accuracy"]
    return table.assign(bn="", seed=0, fraction=1.0, low=np.nan, high=np.nan)


def published_table() -> Path:
    """The published accuracies, which an installation without the repository lacks."""
    if not _PUBLISHED.is_file():
        raise TransferError(
            f"Expected the published accuracies in {_PUBLISHED}. They are part of the repository: "
            "run this from a checkout."
        )
    return _PUBLISHED


def draw_figures(
    study_dir: str | Path, published: Path | None = None, beside: Sequence[str | Path] = ()
) -> list[Path]:
    """Draw every figure that a study has runs for into its ``figures/``; remove none.

    Accuracy against n; where AnB was run for it, semantics of BatchNorm, negative transfer and the
    gain by the number of training images; and what was measured: ``pareto`` from deploy.csv,
    ``driving_against_n`` from driving.csv, ``reestimation_against_n`` from reestimation.csv. Of the
    folder ``agreement``, its one figure. `left_out` says what could not be drawn. ``published``: a
    table, drawn as hollow markers. ``beside``: other measured studies of the same data set, drawn
    into ``pareto``. Returns the files written, PNG and SVG.
    """
    folder = Path(study_dir)
    if _is_agreement(folder):
        drawn = agreement_figure(read_agreement(folder.resolve().parent))
        return save(drawn, folder / "figures" / "agreement")
    runs, title = runs_of(folder), folder.resolve().name
    points = read_published(published) if published else None
    figures = {}
    if runs.empty or not as_keras_3(on_all_images(runs)).empty:
        drawn = accuracy.accuracy_against_n(runs, title, points, read_baselines(folder))
        figures["accuracy_against_n"] = drawn
    whole = on_all_images(runs)
    if whole.loc[whole["kind"] == "AnB", "bn"].nunique() > 1:
        figures["bn_semantics"] = accuracy.bn_semantics(runs, title, points)
        ran = set(zip(whole["kind"], whole["bn"], strict=True))
        if _PUBLISHED.is_file() and ran >= _FALL and predicted(folder, whole):
            drawn = accuracy.negative_transfer(folder, read_published(_PUBLISHED), title)
            figures["negative_transfer"] = drawn
    if has_sizes(runs):
        with contextlib.suppress(TransferError):  # baseB is missing, which `left_out` says
            figures["gain_against_images"] = accuracy.gain_against_images(gains(folder), title)
    figures |= _of_devices(folder, runs, title, beside)
    return [
        path for name, figure in figures.items() for path in save(figure, folder / "figures" / name)
    ]


def _is_agreement(folder: Path) -> bool:
    return folder.resolve().name == FOLDER and (folder / "agreement.csv").exists()


def _of_devices(
    folder: Path, runs: pd.DataFrame, title: str, beside: Sequence[str | Path]
) -> dict[str, Figure]:
    """What networks cost and how they drive, where that was measured."""
    figures = {}
    if not read_costs(folder).empty:
        figures["pareto"] = pareto_figure(candidates(folder, beside=beside), title)
    if (folder / "driving.csv").exists():
        drives = read_drives(folder / "driving.csv")
        if (by_network(drives)["kind"] != "").any():
            figures["driving_against_n"] = driving_against_n(drives, runs, title)
    if (folder / "reestimation.csv").exists():
        table = read_reestimation(folder / "reestimation.csv")
        if table["kind"].isin(["AnB", "probe"]).any():
            figures["reestimation_against_n"] = reestimation_against_n(table, title)
    return figures


def left_out(study_dir: str | Path) -> list[str]:
    """What of a study `draw_figures` cannot draw and why, a sentence each."""
    if _is_agreement(Path(study_dir)):
        return []
    runs = runs_of(Path(study_dir))
    sentences = []
    if as_keras_3(on_all_images(runs)).empty:
        sentences.append(
            "Accuracy against n is not drawn: no run on all training images is finished."
        )
    return sentences + without_base(runs)


def runs_of(folder: Path) -> pd.DataFrame:
    """The finished runs of a study with their intervals, or the published accuracies."""
    if not (folder / "runs.csv").exists() and (folder / "all_experiments.csv").exists():
        return read_published(folder / "all_experiments.csv")
    return with_intervals(folder, read_runs(folder))
