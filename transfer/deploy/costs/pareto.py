"""Which file to put on a device: accuracy against latency, file size and multiply-adds.

A candidate is a network in a number format, all its seeds together. It is on the front of a cost
if no other candidate is as cheap and as accurate (Pareto). The choice is the smallest file that is
shown to be not worse than baseB, by the test of `transfer.statistics.intervals`, not by its mean.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer.answers.wording import count_seeds, file_size, points, within
from transfer.deploy.costs.table import FORMAT_LABELS, read_costs, read_exported
from transfer.errors import TransferError
from transfer.results import read_runs, read_study, read_test_labels
from transfer.runs import parse_run
from transfer.statistics.comparison import blocks_of_neighbours, right_on_test_images
from transfer.statistics.intervals import non_inferior, t_interval, wilson

#: Formats for a device: a .keras file needs all of TensorFlow.
DEVICE_FORMATS = ("litert", "litert-int8", "onnx")
COSTS = ("median_ms", "file_bytes", "multiply_adds")
COLUMNS = (
    "network",
    "kind",
    "n",
    "alpha",
    "format",
    "seeds",
    "compared_seeds",
    "accuracy",
    "low",
    "high",
    "parameters",
    *COSTS,
    "gzip_bytes",
    "difference",
    "at_least",
    "outcome",
)


def studies_beside(study_dir: str | Path) -> list[Path]:
    """The study and those in the folders beside it that differ in alpha alone.

    Same data set (by content), input, protocol, and the same source if they have one; only those
    that were measured (``deploy.csv``).
    """
    folder = Path(study_dir).resolve()
    own = _essence(folder)
    found = [folder]
    for path in sorted(folder.parent.glob("*/deploy.csv")):
        if path.parent != folder and (path.parent / "study.json").exists():
            other = _essence(path.parent)
            alike = all(other[key] == own[key] for key in ("data", "input", "protocol"))
            if (
                alike
                and other["alpha"] != own["alpha"]
                and other["source"] in (None, own["source"])
            ):
                found.append(path.parent)
    return found


def _essence(folder: Path) -> dict[str, object]:
    study = read_study(folder)
    try:
        source = study.get("source")
        return {
            "data": study["dataset"]["sha256"],
            "input": study["input"],
            "protocol": study["protocol"],
            "alpha": study["alpha"],
            "source": source and source["sha256"],
        }
    except (KeyError, TypeError) as error:
        raise TransferError(
            f"Expected dataset, input, alpha and protocol in {folder / 'study.json'}."
        ) from error


def candidates(study_dir: str | Path, margin: float = 0.01) -> pd.DataFrame:
    """Every network and device format that was measured, in a study and those beside it.

    Parameters
    ----------
    study_dir : path
    margin : float
        How much worse than baseB still counts as equal, in units of accuracy.

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
        If a table or a file of predictions is missing or damaged.
    """
    own = Path(study_dir).resolve()
    runs = read_runs(own)
    base = runs[(runs["kind"] == "baseB") & (runs["fraction"] == 1.0)]
    labels = read_test_labels(own)
    right_base = dict(zip(base["seed"], right_on_test_images(own, base), strict=True))
    rows = []
    for folder in studies_beside(own):
        costs = read_costs(folder)
        costs = costs[costs["format"].isin(DEVICE_FORMATS)]
        costs = costs.assign(network=[_network(str(run)) for run in costs["run"]])
        for (network, name), group in costs.groupby(["network", "format"], sort=False):
            rows.append(
                _candidate(folder, str(network), str(name), group, labels, right_base, margin)
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})


def _network(run: str) -> str:
    return parse_run(run).name.rsplit("_s", 1)[0]


def _candidate(
    folder: Path,
    network: str,
    name: str,
    group: pd.DataFrame,
    labels: np.ndarray,
    right_base: dict[int, np.ndarray],
    margin: float,
) -> dict[str, object]:
    first = group.iloc[0]
    accuracy, low, high = t_interval(group["test_accuracy"].to_numpy(float))
    if len(group) == 1:
        low, high = wilson(round(accuracy * len(labels)), len(labels))
    found: dict[str, object] = {
        "network": network,
        "kind": first["kind"],
        "n": first["n"],
        "alpha": first["alpha"],
        "format": name,
        "seeds": len(group),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "parameters": first["parameters"],
        "median_ms": group["median_ms_1"].median(),
        "file_bytes": group["file_bytes"].median(),
        "multiply_adds": first["multiply_adds"],
        "gzip_bytes": group["gzip_bytes"].median(),
        "compared_seeds": 0,
        "difference": np.nan,
        "at_least": np.nan,
        "outcome": "",
    }
    shared = group[group["seed"].isin(right_base)]
    if not shared.empty:
        compared = non_inferior(
            right_of_files(folder, name, shared, labels),
            np.array([right_base[seed] for seed in shared["seed"]]),
            margin=margin,
            blocks=blocks_of_neighbours(len(labels)),
        )
        found["compared_seeds"] = compared.difference.seeds
        found["difference"] = compared.difference.estimate
        found["at_least"] = compared.difference.low
        found["outcome"] = compared.outcome
    return found


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
        gone = sorted(set(rows["run"]) - set(runs.index))
        if gone:
            raise TransferError(
                f"Expected {gone[0]} in runs.csv of {folder}, as it is in deploy.csv. Train and "
                "measure it again, or remove its line."
            )
        return right_on_test_images(folder, runs.loc[list(rows["run"])])
    given = zip(rows["run"], rows["test_accuracy"], strict=True)
    return np.array([right_of_file(folder, str(run), name, hit, labels) for run, hit in given])


def right_of_file(
    folder: Path, run: str, name: str, accuracy: float, labels: np.ndarray
) -> np.ndarray:
    """Which test images a file classifies correctly, bool (images,), if as many as the table says.

    Raises
    ------
    TransferError
        If its predictions are missing, or are not those that the table is about.
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


def choice_in_words(study_dir: str | Path, margin: float = 0.01) -> list[str]:
    """The file to choose, in a sentence with its numbers; nothing if nothing was measured.

    Chosen is among those compared with baseB by as many seeds as any: one seed can be lucky.
    """
    if read_costs(study_dir).empty:
        return []
    tested = candidates(study_dir, margin)
    tested = tested[tested["outcome"] != ""]
    if tested.empty:
        return ["No exported file shares a seed with baseB: which to choose is not answered."]
    tested = tested[tested["compared_seeds"] == tested["compared_seeds"].max()]
    passed = tested[tested["outcome"] == "non-inferior"].sort_values(["file_bytes", "median_ms"])
    if passed.empty:
        return [f"None of {len(tested)} exported files is shown to be {within(margin)} of baseB."]
    smallest = passed.iloc[0]
    sentences = [
        f"On a device: {describe(smallest)}. Of {len(tested)} exported files (networks and number "
        f"formats) {len(passed)} are shown to be {within(margin)} of baseB, each tested by itself; "
        "this is the smallest of them."
    ]
    timed = passed.dropna(subset=["median_ms"])
    if not timed.empty:
        fastest = timed.sort_values(["median_ms", "file_bytes"]).iloc[0]
        if fastest["median_ms"] < 0.95 * smallest["median_ms"]:
            sentences.append(f"The fastest of these is {describe(fastest)}.")
    return sentences


def describe(candidate: pd.Series) -> str:
    """``sliced-8 int8 (LiteRT, alpha 0.25): 0.21 MB, 0.40 ms a frame, ...``"""
    parts = [file_size(candidate["file_bytes"])]
    if np.isfinite(candidate["median_ms"]):
        parts.append(f"{candidate['median_ms']:.2f} ms a frame")
    parts.append(f"accuracy {candidate['accuracy']:.3f}")
    seeds = count_seeds(candidate["compared_seeds"])
    parts.append(
        f"{points(candidate['difference'])} points against baseB, at least "
        f"{points(candidate['at_least'])} (one-sided 95 %, {seeds})"
    )
    numbers, runtime = FORMAT_LABELS[candidate["format"]].split(", ")
    network = f"{candidate['network']} {numbers} ({runtime}, alpha {candidate['alpha']:g})"
    return f"{network}: {', '.join(parts)}"
