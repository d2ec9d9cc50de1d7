"""Every figure of a study, drawn from its CSVs and from nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer.answers.accuracy import accuracy_against_n
from transfer.answers.semantics import bn_semantics
from transfer.answers.style import save
from transfer.answers.target_size import gain_against_images
from transfer.errors import TransferError
from transfer.results import read_runs, read_study


def read_published(path: Path) -> pd.DataFrame:
    """A table ``network,block,test_accuracy`` as a frame of runs without intervals.

    Raises
    ------
    TransferError
        If the file is missing or has other columns.
    """
    try:
        table = pd.read_csv(path)
        kinds, blocks, accuracy = (table[c] for c in ("network", "block", "test_accuracy"))
    except (OSError, ValueError, KeyError) as error:
        raise TransferError(
            f"Expected a table network,block,test_accuracy in {path}. It cannot be read."
        ) from error
    missing = pd.Series(np.nan, index=table.index)
    return pd.DataFrame(
        {
            "kind": kinds,
            "n": blocks,
            "bn": "",
            "seed": 0,
            "fraction": 1.0,
            "test_accuracy": accuracy,
            "test_low": missing,
            "test_high": missing,
        }
    )


def draw_figures(study_dir: str | Path, published: Path | None = None) -> list[Path]:
    """Draw every figure that a study has runs for into its ``figures/``.

    ``accuracy_against_n`` always; ``bn_semantics`` if AnB was run under several semantics;
    ``gain_against_images`` if it was run on several shares of the training images.

    Parameters
    ----------
    study_dir : path
        Folder of a study, or one with ``all_experiments.csv`` alone (the published numbers).
    published : path or None
        A table of published accuracies to draw as hollow markers.

    Returns
    -------
    list of Path
        The files written, PNG and SVG.

    Raises
    ------
    TransferError
        If the folder holds no study.
    """
    folder = Path(study_dir)
    points = read_published(published) if published else None
    if (folder / "runs.csv").exists() or not (folder / "all_experiments.csv").exists():
        runs = read_runs(folder)
        title = folder.resolve().name
        read_study(folder)
    else:
        runs, title = read_published(folder / "all_experiments.csv"), folder.resolve().name
    figures = {"accuracy_against_n": accuracy_against_n(runs, title, points)}
    frozen = runs[(runs["kind"] == "AnB") & (runs["fraction"] == 1.0)]
    if frozen["bn"].nunique() > 1:
        figures["bn_semantics"] = bn_semantics(runs, title, points)
    if runs.loc[runs["kind"].isin(["AnB", "AnB+"]), "fraction"].nunique() > 1:
        figures["gain_against_images"] = gain_against_images(runs, title)
    return [
        path for name, figure in figures.items() for path in save(figure, folder / "figures" / name)
    ]
