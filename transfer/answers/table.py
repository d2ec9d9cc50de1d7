"""A short table of results for the terminal."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.runs import parse_run
from transfer.statistics.intervals import interval


def print_table(runs: pd.DataFrame, console: Console | None = None) -> None:
    """Print one line a network: test accuracy (mean over seeds) with its 95 % interval.

    Parameters
    ----------
    runs : pandas.DataFrame
        As from `transfer.results.read_runs`.
    console : rich.console.Console or None
        None: standard output.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("network", "test accuracy", "95 % interval", "val", "seeds", "parameters"):
        table.add_column(column, justify="left" if column == "network" else "right")
    columns = ["kind", "n", "bn", "fraction"]
    for _, group in runs.groupby(columns, sort=False, dropna=False):
        accuracy = group["test_accuracy"]
        name = parse_run(str(group["run"].iloc[0])).family
        low, high = interval(group)
        table.add_row(
            name,
            f"{accuracy.mean():.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{group['val_accuracy'].mean():.3f}",
            str(len(group)),
            f"{int(group['parameters'].iloc[0]):,}",
        )
    (console or Console()).print(table)
