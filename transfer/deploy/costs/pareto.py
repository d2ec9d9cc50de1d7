"""Which file to put on a device: accuracy against latency, file size and multiply-adds.

A candidate is a network in a number format, all its seeds together. It is on the front of a cost
if no other candidate is as cheap and as accurate (Pareto). The choice is the smallest file that is
shown to be not worse than baseB, by the test of `transfer.statistics.intervals`, not by its mean.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.deploy.costs.table import read_costs, read_exported
from transfer.errors import TransferError
from transfer.results import read_runs, read_test_labels
from transfer.runs import parse_run
from transfer.statistics.comparison import blocks_of_neighbours, right_on_test_images
from transfer.statistics.intervals import non_inferior, t_interval, wilson
from transfer.study_file import read_settings

#: Formats for a device: a .keras file needs all of TensorFlow.
DEVICE_FORMATS = ("litert", "litert-int8", "onnx")
COLUMNS = (
    *("network", "kind", "n", "alpha", "format", "seeds", "compared_seeds", "accuracy", "low"),
    *("high", "parameters", "median_ms", "file_bytes", "multiply_adds", "gzip_bytes"),
    *("difference", "at_least", "outcome"),
)


def candidates(
    study_dir: str | Path, margin: float = 0.01, beside: Sequence[str | Path] = ()
) -> pd.DataFrame:
    """Every network and device format that was measured, in a study and those beside it.

    Parameters
    ----------
    study_dir : path
    margin : float
        How much worse than baseB still counts as equal, in units of accuracy.
    beside : sequence of path
        Other measured studies of the same data set, for example of a smaller alpha.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. ``accuracy`` is the mean over ``seeds``, as measured on the file by its
        runtime, ``low`` to ``high`` its 95 % interval (over seeds; for one seed over test images).
        ``median_ms`` is the latency of one frame with one thread, NaN if it was not timed.
        ``difference`` to baseB as trained, over ``compared_seeds``, the seeds both have, on the
        same test images, is at least ``at_least`` (one-sided 95 %); ``outcome`` is
        `Comparison.outcome`, or "" without a seed in common with baseB.

    Raises
    ------
    TransferError
        If a table or a file of predictions is missing or damaged, or a study beside has another
        data set.
    """
    own = Path(study_dir)
    runs = read_runs(own)
    base = runs[(runs["kind"] == "baseB") & (runs["fraction"] == 1.0)]
    labels = read_test_labels(own)
    right_base = dict(zip(base["seed"], right_on_test_images(own, base), strict=True))
    rows = []
    for folder in (own, *map(Path, beside)):
        if read_settings(folder).data_sha256 != read_settings(own).data_sha256:
            raise TransferError(
                f"Expected a study of the same data set as {own}. Received: {folder}."
            )
        costs = read_costs(folder)
        costs = costs[costs["format"].isin(DEVICE_FORMATS)]
        costs = costs.assign(network=[_network(str(run)) for run in costs["run"]])
        for (network, name), group in costs.groupby(["network", "format"], sort=False):
            row = _candidate(folder, str(name), group, labels, right_base, margin)
            rows.append({"network": network} | row)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})


def _network(run: str) -> str:
    return parse_run(run).family


def _candidate(
    folder: Path,
    name: str,
    group: pd.DataFrame,
    labels: np.ndarray,
    right_base: dict[int, np.ndarray],
    margin: float,
) -> dict[str, object]:
    """All seeds of a network in the format ``name`` as one row."""
    first = group.iloc[0]
    accuracy, low, high = t_interval(group["test_accuracy"].to_numpy(float))
    if len(group) == 1:
        low, high = wilson(round(accuracy * len(labels)), len(labels))
    row: dict[str, object] = {"format": name, "seeds": len(group)}
    row |= {"accuracy": accuracy, "low": low, "high": high}
    row |= {name: first[name] for name in ("kind", "n", "alpha", "parameters", "multiply_adds")}
    row |= {name: group[name].median() for name in ("file_bytes", "gzip_bytes")}
    row["median_ms"] = group["median_ms_1"].median()
    row |= {"compared_seeds": 0, "difference": np.nan, "at_least": np.nan, "outcome": ""}
    shared = group[group["seed"].isin(right_base)]
    if shared.empty:
        return row
    compared = non_inferior(
        right_of_files(folder, name, shared, labels),
        np.array([right_base[seed] for seed in shared["seed"]]),
        margin=margin,
        blocks=blocks_of_neighbours(len(labels)),
    )
    row |= {"compared_seeds": compared.difference.seeds, "outcome": compared.outcome}
    return row | {"difference": compared.difference.estimate, "at_least": compared.difference.low}


def right_of_files(folder: Path, name: str, rows: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Which test images the files of some rows of deploy.csv classify correctly.

    A float file gives the network's own predictions, within 1e-4: it was verified when written.

    Returns
    -------
    bool (rows, images)

    Raises
    ------
    TransferError
        If predictions are missing, or are not those that the table is about.
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
    """Which test images a file classifies correctly, bool (images,).

    Raises
    ------
    TransferError
        If its predictions are missing, or have another accuracy than the table says.
    """
    probabilities = read_exported(folder, run, name)
    right = probabilities.argmax(1) == labels if len(probabilities) == len(labels) else None
    if right is None or abs(right.mean() - accuracy) > 1e-5:
        raise TransferError(
            f"The predictions of the {name} file of {run} are not those that the tables in "
            f"{folder} are about. Measure it again."
        )
    return right


def on_front(costs: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """Which candidates no other dominates: as cheap, as accurate, and better in one of the two.

    Parameters
    ----------
    costs, accuracies : float (N,)
        A candidate without a cost (NaN) is not on the front.

    Returns
    -------
    bool (N,)
    """
    cheap = costs[:, None] <= costs
    good = accuracies[:, None] >= accuracies
    better = (costs[:, None] < costs) | (accuracies[:, None] > accuracies)
    return ~(cheap & good & better).any(0) & np.isfinite(costs)
