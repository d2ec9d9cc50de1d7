"""``scores.csv``: every score of every block of one source on one data set."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.tables import read_table, upsert

COLUMNS = ("block", "score", "value", "seconds")
POSITIONS = "_positions"  #: ends the name of a score that took positions as samples
DEPTH = "depth"  #: the control of `transfer.scores.agreement`: n itself as a score
_NAMES = {
    "logme": "LogME",
    "h_score": "H-score",
    "h_score_regularised": "H-score, shrunk",
    "transrate": "TransRate",
    "class_separation": "class separation",
    "ridge_probe": "ridge probe",
    "nearest_centroid": "nearest centroid",
    "leep": "LEEP",
    "nce": "NCE",
    DEPTH: "n itself (control)",
}


def score_name(score: str) -> str:
    """What a score is called in tables and figures; "" if this program does not know it.

    >>> score_name("logme_positions")
    'LogME, positions'
    """
    name = _NAMES.get(score.removesuffix(POSITIONS), "")
    return f"{name}, positions" if name and score.endswith(POSITIONS) else name


def write_scores(out: str | Path, scores: pd.DataFrame) -> Path:
    """Make ``OUT/scores.csv`` hold these scores and no others. Returns its path."""
    blocks = set(scores["block"].astype(str))
    return upsert(Path(out) / "scores.csv", scores, ("block",), keep=blocks)


def read_scores(out: str | Path) -> pd.DataFrame:
    """``OUT/scores.csv`` as from `transfer.scores.measure.measure_scores`."""
    types = {"block": "int64", "score": "string", "value": "float64", "seconds": "float64"}
    remedy = "Write it with `python -m transfer scores`."
    return read_table(Path(out) / "scores.csv", COLUMNS, types, remedy)


def print_scores(scores: pd.DataFrame, console: Console | None = None) -> None:
    """Print a line for each block, a column for each score; the highest of each score is bold."""
    console = console or Console()
    wide = scores.pivot(index="block", columns="score", values="value")
    wide = wide[list(dict.fromkeys(scores["score"]))]
    complete = wide.loc[:, wide.notna().all()]
    positions = complete.columns.str.endswith(POSITIONS)
    console.print(_table(complete.loc[:, ~positions]))
    if positions.any():
        console.print("\nPositions as samples:")
        console.print(_table(complete.loc[:, positions]))
    for name in wide.columns.difference(complete.columns, sort=False):
        block = wide[name].first_valid_index()
        console.print(f"{score_name(name)} of block {block}: {wide[name][block]:.3f}")


def _table(wide: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("block", justify="right")
    for name in wide:
        table.add_column(score_name(str(name).removesuffix(POSITIONS)), justify="right")
    for block, row in wide.iterrows():
        cells = [
            f"[bold]{value:.3f}[/]" if value == wide[name].max() else f"{value:.3f}"
            for name, value in row.items()
        ]
        table.add_row("stem" if block == 0 else str(block), *cells)
    return table
