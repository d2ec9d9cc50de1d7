"""A short table of results for the terminal."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.runs import parse_run


def print_table(runs: pd.DataFrame, console: Console | None = None) -> None:
    """Print one line a network: balanced test accuracy with its 95 % interval, and accuracy.

    ``runs``: as from `transfer.statistics.intervals.with_intervals`.
    ``console``: None: standard output.
    """
    table = Table(box=None, pad_edge=False)
    columns = ("network", "balanced", "95 % interval", "accuracy", "val", "seeds", "parameters")
    for column in columns:
        table.add_column(column, justify="left" if column == "network" else "right")
    for _, group in runs.groupby(["kind", "n", "bn", "fraction"], sort=False, dropna=False):
        name = parse_run(str(group["run"].iloc[0])).family
        low, high = group[["low", "high"]].iloc[0]
        table.add_row(
            name,
            f"{group['test_balanced_accuracy'].mean():.3f}",
            f"{low:.3f} to {high:.3f}" if low == low else "",
            f"{group['test_accuracy'].mean():.3f}",
            f"{group['val_accuracy'].mean():.3f}",
            str(len(group)),
            f"{int(group['parameters'].iloc[0]):,}",
        )
    (console or Console()).print(table)
