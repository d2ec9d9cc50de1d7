"""Which file to put on a device: accuracy against latency, file size and multiply-adds.

The choice is the smallest file that is shown to be as good as baseB, by a test of all files of its
format at once, not by its mean.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.deploy.costs.table import read_costs, read_exported
from transfer.errors import TransferError
from transfer.results import read_runs
from transfer.runs import parse_run
from transfer.statistics.comparison import BASE, judge, read_tested, right_on_test_images
from transfer.statistics.differences import correlation, difference
from transfer.statistics.seeds import seed_variance
from transfer.study_file import read_settings

#: Formats for a device: a .keras file needs all of TensorFlow.
DEVICE_FORMATS = ("litert", "litert-int8", "onnx")
COLUMNS = (
    *("network", "kind", "n", "alpha", "format", "seeds", "compared_seeds", "accuracy", "low"),
    *("high", "parameters", "median_ms", "p95_ms", "file_bytes", "multiply_adds", "gzip_bytes"),
    *("difference", "at_least", "outcome"),
)


def candidates(
    study_dir: str | Path, margin: float = 0.01, beside: Sequence[str | Path] = ()
) -> pd.DataFrame:
    """Every network and device format that was measured, in a study and those beside it.

    Returns columns `COLUMNS`: ``accuracy`` is the mean balanced accuracy of the files over
    ``seeds``, ``low`` to ``high`` its 95 % interval over seeds and test images; ``difference`` is
    that minus the accuracy of baseB as trained; ``at_least`` and ``outcome`` are as in
    `Comparison`, all files of a format tested at once.
    """
    own = Path(study_dir)
    folders = (own, *map(Path, beside))
    if all(read_costs(folder).empty for folder in folders):
        return pd.DataFrame(columns=list(COLUMNS))
    tested = read_tested(own)
    rows, right = [], []
    for folder in folders:
        if read_settings(folder).data_sha256 != read_settings(own).data_sha256:
            raise TransferError(
                f"Expected a study of the same data set as {own}. Received: {folder}."
            )
        costs = read_costs(folder)
        costs = costs[costs["format"].isin(DEVICE_FORMATS)]
        costs = costs.assign(network=[parse_run(str(run)).family for run in costs["run"]])
        for (network, name), group in costs.groupby(["network", "format"], sort=False):
            rows.append({"network": network} | _costs_of(str(name), group))
            right.append(right_of_files(folder, str(name), group, tested.labels))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64", "outcome": "object"})
    if table.empty:
        return table
    base = tested.right.get(BASE)
    table["compared_seeds"], table["outcome"] = 0, ""
    for _, group in table.groupby("format"):
        places = np.arange(len(group))
        rights = [right[row] for row in group.index]
        accuracies = tested.measure([*rights, base[1]] if base else rights)
        spread = seed_variance(accuracies.by_seed)
        alone = difference(accuracies, spread, places, None)
        low, high = alone.interval()
        columns = {"accuracy": alone.estimate, "low": low, "high": high}
        if base:
            last = len(group)
            seen = difference(accuracies, spread, places, last)
            alike = correlation(accuracies, spread, places, last)
            enough = spread.known and not tested.rare
            judged = judge(seen, margin, alike, tested.error, enough)
            columns |= {"compared_seeds": seen.fewest_seeds, "difference": seen.estimate}
            columns["at_least"] = [comparison.at_least for comparison in judged]
            columns["outcome"] = [comparison.outcome for comparison in judged]
        for column, values in columns.items():
            table.loc[group.index, column] = values
    return table


def _costs_of(name: str, group: pd.DataFrame) -> dict[str, object]:
    """What all seeds of a network cost in the format ``name``."""
    first = group.iloc[0]
    row: dict[str, object] = {"format": name, "seeds": len(group)}
    row |= {name: first[name] for name in ("kind", "n", "alpha", "parameters", "multiply_adds")}
    row |= {name: group[name].median() for name in ("file_bytes", "gzip_bytes")}
    return row | {name: group[f"{name}_1"].median() for name in ("median_ms", "p95_ms")}


def right_of_files(folder: Path, name: str, rows: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Which test images the files of some rows of deploy.csv classify correctly, bool.

    Predictions of a float file are those of the network, as was verified when it was written.
    """
    if name != "litert-int8":
        runs = read_runs(folder).set_index("run", drop=False)
        if gone := sorted(set(rows["run"]) - set(runs.index)):
            raise TransferError(
                f"Expected {gone[0]} in runs.csv of {folder}, as it is in deploy.csv. Train and "
                "measure it again, or remove its line."
            )
        return right_on_test_images(folder, runs.loc[list(rows["run"])])
    pairs = zip(rows["run"], rows["test_accuracy"], strict=True)
    return np.array([right_of_file(folder, str(run), name, hit, labels) for run, hit in pairs])


def right_of_file(
    folder: Path, run: str, name: str, accuracy: float, labels: np.ndarray
) -> np.ndarray:
    """Which test images a file classifies correctly, bool (images,)."""
    probabilities = read_exported(folder, run, name)
    right = probabilities.argmax(1) == labels if len(probabilities) == len(labels) else None
    if right is None or abs(right.mean() - accuracy) > 1e-5:
        raise TransferError(
            f"The predictions of the {name} file of {run} do not belong to the tables in "
            f"{folder}. Measure it again."
        )
    return right


def on_front(costs: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """The Pareto front, bool (N,): no other is as cheap, as accurate, and better in one."""
    cheap = costs[:, None] <= costs
    good = accuracies[:, None] >= accuracies
    better = (costs[:, None] < costs) | (accuracies[:, None] > accuracies)
    return ~(cheap & good & better).any(0) & np.isfinite(costs)
