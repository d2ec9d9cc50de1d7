"""Every network of a study in numbers: for the report, and in short for the terminal."""

import math

import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.figures.style import METRIC_NAME, mean_and_interval
from transfer.runs import parse_run

#: Columns in the terminal, and what they are called there.
_SHORT = {
    "network": "network",
    METRIC_NAME: "balanced",
    "95 % interval": "95 % interval",
    "test accuracy": "accuracy",
    "validation": "val",
    "seeds": "seeds",
    "parameters": "parameters",
}


def network_rows(runs: pd.DataFrame) -> list[dict[str, str]]:
    """One row a network, in the order of runs.csv, by the names of columns."""
    rows = []
    for _, group in runs.groupby(["kind", "n", "bn", "fraction"], sort=False, dropna=False):
        first, means = group.iloc[0], group.mean(numeric_only=True)
        mean, low, high = mean_and_interval(group)
        rows.append(
            {
                "network": parse_run(str(first["run"])).family,
                METRIC_NAME: f"{mean:.3f}",
                "95 % interval": f"{low:.3f} to {high:.3f}" if math.isfinite(low) else "",
                "test accuracy": f"{means['test_accuracy']:.3f}",
                "validation": f"{means['val_accuracy']:.3f}",
                "seeds": str(len(group)),
                "best epoch": f"{means['best_epoch']:.3g} of {means['epochs']:.3g}",
                "training images": f"{int(first['train_images']):,}",
                "parameters": f"{int(first['parameters']):,}",
                "multiply-adds": f"{first['multiply_adds'] / 1e6:,.3g} M",
                "seconds a run": f"{means['seconds']:,.0f}",
            }
        )
    return rows


def print_table(runs: pd.DataFrame) -> None:
    """Print one line a network: balanced test accuracy with its 95 % interval, and accuracy."""
    table = Table(box=None, pad_edge=False)
    for name in _SHORT.values():
        table.add_column(name, justify="left" if name == "network" else "right")
    for row in network_rows(runs):
        table.add_row(*(row[column] for column in _SHORT))
    Console().print(table)
