"""``reestimation.csv``: accuracy with BatchNorm statistics as trained and re-estimated."""

from pathlib import Path

import pandas as pd

from transfer.errors import TransferError
from transfer.statistics.intervals import t_interval
from transfer.tables import read_table

#: ``layers``: which were re-estimated, ``frozen`` or ``all``; ``split``: where accuracy was
#: measured; ``before`` and ``after``: accuracy, 0..1.
COLUMNS = ("run", "kind", "n", "bn", "seed", "layers", "images", "split", "before", "after")


def read_reestimation(path: str | Path) -> pd.DataFrame:
    """The table as a data frame with the columns `COLUMNS`."""
    types = {"bn": "string", "n": "Int64", "before": float, "after": float}
    frame = read_table(path, COLUMNS, types).fillna({"bn": ""})
    if not frame[["before", "after"]].stack().between(0, 1).all():
        raise TransferError(f"Expected a table with accuracies from 0 to 1 in {path}.")
    if (frame["n"].dropna() < 0).any():
        raise TransferError(f"Expected a table with n of 0 or more in {path}.")
    return frame


def gains_of_reestimation(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy after minus before, mean over seeds with its 95 % interval, NaN for one."""
    rows = []
    for key, group in frame.groupby(["kind", "bn", "layers", "n"], sort=False, dropna=False):
        gained = (group["after"] - group["before"]).to_numpy()
        means = (group["before"].mean(), group["after"].mean())
        rows.append((*key, *means, *t_interval(gained), len(group)))
    columns = ["kind", "bn", "layers", "n", "before", "after", "gain", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})
