"""Which way of making a network smaller wins: cut it, make it narrower, or prune its weights.

``pruning.csv`` holds baseB pruned by magnitude to the number of weights of sliced-n, a row a run,
n and number format (written by `benchmarks.pruning`; probabilities beside the others in
``predictions/``). sliced-n itself is in ``deploy.csv``; narrower whole networks (baseB of a smaller
alpha) are in that of the studies beside this one.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer.answers.wording import count_seeds, points
from transfer.deploy.costs.pareto import right_of_file, right_of_files, studies_beside
from transfer.deploy.costs.table import FORMAT_LABELS, on_all_images, read_costs
from transfer.errors import TransferError
from transfer.figures.style import COLUMN, RC, legend_below, set_title
from transfer.results import read_test_labels
from transfer.runs import parse_runs
from transfer.statistics.comparison import blocks_of_neighbours
from transfer.statistics.intervals import paired_bootstrap, t_interval
from transfer.tables import read_table

#: ``like``: the n of the sliced-n whose size it was pruned to; ``weights``: those left in the
#: file, BatchNorm folded in; ``median_ms_1``: latency, timed once for all seeds.
COLUMNS = (
    "run",
    "seed",
    "like",
    "format",
    "sparsity",
    "weights",
    "multiply_adds",
    "file_bytes",
    "gzip_bytes",
    "test_accuracy",
    "median_ms_1",
)
_COUNTS = ("seed", "like", "weights", "multiply_adds", "file_bytes", "gzip_bytes")
_EQUAL = 0.15  #: how far costs may differ and still count as equal
SLICED, NARROW, NARROW_FAST, MAGNITUDE = (
    "sliced-n",
    "narrower, equal weights",
    "narrower, equal multiply-adds",
    "pruned by magnitude",
)
_STYLE = {
    SLICED: ("#E69F00", "v"),
    NARROW: ("#0072B2", "o"),
    NARROW_FAST: ("#56B4E9", "D"),
    MAGNITUDE: ("#CC79A7", "X"),
}


def pruned_name(run: str, like: int) -> str:
    """What the predictions of a pruned network are kept under."""
    return f"{run}.like-sliced-{like}"


def read_pruning(study_dir: str | Path) -> pd.DataFrame:
    """``pruning.csv``, columns `COLUMNS`; no rows if nothing was pruned.

    Raises
    ------
    TransferError
        If the table is not one of ours.
    """
    path = Path(study_dir) / "pruning.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    numbers = dict.fromkeys(set(COLUMNS) - {"run", "format"}, float)
    frame = read_table(path, COLUMNS, {**numbers, **dict.fromkeys(_COUNTS, int)})
    if not frame["format"].isin(FORMAT_LABELS).all():
        raise TransferError(f"Expected known formats in {path}.")
    parse_runs(frame["run"], path)  # they become parts of paths
    return frame


def compare_pruning(study_dir: str | Path, name: str = "litert") -> pd.DataFrame:
    """The ways to make the network as small as sliced-n, side by side.

    Parameters
    ----------
    study_dir : path
    name : {"litert", "litert-int8"}
        Format of the files.

    Returns
    -------
    pandas.DataFrame
        One row an n and way: ``like`` (that n), ``way``, ``alpha``, ``seeds``, ``weights``,
        ``multiply_adds``, ``file_bytes``, ``gzip_bytes``, ``median_ms``, ``accuracy``, ``low``,
        ``high`` (95 % over seeds, NaN for one), and ``minus``, ``minus_low``, ``minus_high``:
        its accuracy minus that of sliced-n on the same images, seed by seed, two-sided 95 %. A
        narrower network counts as equal to sliced-n if weights (or multiply-adds) differ by at
        most 15 %.

    Raises
    ------
    TransferError
        If a table or a file of predictions is missing or damaged.
    """
    own = Path(study_dir).resolve()
    labels = read_test_labels(own)
    costs = _of_format(read_costs(own), name)
    pruned = read_pruning(own)
    pruned = pruned[pruned["format"] == name]
    narrow = [
        (folder, rows)
        for folder in studies_beside(own)[1:]
        for rows in [_of_format(read_costs(folder), name).query("kind == 'baseB'")]
        if not rows.empty and rows["alpha"].iloc[0] < costs["alpha"].max()
    ]
    found = []
    for like, of_size in pruned.groupby("like"):
        sliced = costs[(costs["kind"] == "sliced") & (costs["n"] == like)]
        if sliced.empty:
            continue
        right = _by_seed(sliced, right_of_files(own, name, sliced, labels))
        found.append(_line(like, SLICED, sliced, right, right))
        for way, column in ((NARROW, "weights"), (NARROW_FAST, "multiply_adds")):
            aim = float(sliced[column].iloc[0])
            near = [
                (abs(float(rows[column].iloc[0]) / aim - 1), folder, rows)
                for folder, rows in narrow
            ]
            for off, folder, rows in sorted(near, key=lambda entry: entry[0])[:1]:
                if off <= _EQUAL:
                    theirs = _by_seed(rows, right_of_files(folder, name, rows, labels))
                    found.append(_line(like, way, rows, theirs, right))
        kept = [
            right_of_file(own, pruned_name(str(run), int(like)), name, accuracy, labels)
            for run, accuracy in zip(of_size["run"], of_size["test_accuracy"], strict=True)
        ]
        of_size = of_size.assign(alpha=costs["alpha"].max())
        found.append(_line(like, MAGNITUDE, of_size, _by_seed(of_size, np.array(kept)), right))
    return pd.DataFrame(found)


def _of_format(costs: pd.DataFrame, name: str) -> pd.DataFrame:
    costs = on_all_images(costs[costs["format"] == name])
    a_weight = 1 if name == "litert-int8" else 4
    return costs.assign(weights=costs["weight_bytes"] / a_weight)


def _by_seed(rows: pd.DataFrame, right: np.ndarray) -> dict[int, np.ndarray]:
    return dict(zip(rows["seed"], right, strict=True))


def _line(
    like: object,
    way: str,
    rows: pd.DataFrame,
    right: dict[int, np.ndarray],
    sliced: dict[int, np.ndarray],
) -> dict[str, object]:
    accuracy, low, high = t_interval(rows["test_accuracy"].to_numpy(float))
    line: dict[str, object] = {
        "like": like,
        "way": way,
        "alpha": rows["alpha"].iloc[0],
        "seeds": len(rows),
        "weights": rows["weights"].median(),
        "multiply_adds": rows["multiply_adds"].iloc[0],
        "file_bytes": rows["file_bytes"].median(),
        "gzip_bytes": rows["gzip_bytes"].median(),
        "median_ms": rows["median_ms_1"].median(),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "minus": np.nan,
        "minus_low": np.nan,
        "minus_high": np.nan,
    }
    seeds = sorted(set(right) & set(sliced))
    if way != SLICED and seeds:
        seen = paired_bootstrap(
            np.array([right[seed] for seed in seeds]),
            np.array([sliced[seed] for seed in seeds]),
            blocks=blocks_of_neighbours(len(right[seeds[0]])),
        )
        line |= {"minus": seen.estimate, "minus_low": seen.low, "minus_high": seen.high}
    return line


def pruning_in_words(study_dir: str | Path) -> list[str]:
    """Who wins at the size of each sliced-n; nothing if nothing was pruned."""
    if read_pruning(study_dir).empty:
        return []
    table = compare_pruning(study_dir)
    if table.empty:
        return ["Pruned networks were measured, sliced-n was not: they are not compared."]
    sentences = []
    for like, group in table.groupby("like"):
        sliced = group[group["way"] == SLICED].iloc[0]
        parts = []
        for _, row in group[group["way"] != SLICED].iterrows():
            won = "no difference shown"
            if row["minus_high"] < 0:
                won = f"sliced-{like} wins"
            elif row["minus_low"] > 0:
                won = f"wins over sliced-{like}"
            alpha = f" (alpha {row['alpha']:g})" if row["way"] != MAGNITUDE else ""
            parts.append(
                f"{row['way']}{alpha} {row['accuracy']:.3f}, {points(row['minus'])} points "
                f"({points(row['minus_low'])} to {points(row['minus_high'])}): {won}"
            )
        sentences.append(
            f"At the size of sliced-{like} ({sliced['weights']:,.0f} weights, accuracy "
            f"{sliced['accuracy']:.3f}, {count_seeds(sliced['seeds'])}): {'; '.join(parts)} "
            "(float32, minus sliced-n, two-sided 95 %)."
        )
    return sentences


def pruning_figure(table: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy against compressed file size and against latency, a line a way.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `compare_pruning`.
    title : str

    Raises
    ------
    TransferError
        If the table is empty.
    """
    if table.empty:
        raise TransferError("Expected pruned networks beside sliced-n. There are none.")
    panels = [("gzip_bytes", "file, compressed (gzip), kB", 1e3)]
    if table["median_ms"].notna().any():
        panels.append(("median_ms", "latency of a frame, ms, one thread", 1.0))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(2 * COLUMN, 2.6), dpi=200, layout="constrained")
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (column, name, unit) in zip(all_axes, panels, strict=True):
            for way, (colour, marker) in _STYLE.items():
                rows = table[(table["way"] == way) & table[column].notna()]
                if rows.empty:
                    continue
                rows = rows.drop_duplicates(column).sort_values(column)
                errors = np.nan_to_num(
                    [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
                )
                line = ":" if column == "median_ms" and way == MAGNITUDE else "-"
                axes.errorbar(
                    rows[column] / unit,
                    rows["accuracy"],
                    errors,
                    color=colour,
                    marker=marker,
                    linestyle=line,
                    elinewidth=0.6,
                    label=way if axes is all_axes[0] else f"_{way}",
                )
            axes.set_xlabel(name)
            axes.grid(linewidth=0.4, alpha=0.5)
        all_axes[0].set_ylabel("test accuracy")
        seeds = sorted(set(table["seeds"]))
        over = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
        sizes = ", ".join(f"sliced-{like}" for like in sorted(set(table["like"])))
        set_title(figure, title, f"sizes of {sizes}; 95 % intervals over {over} seeds; float32")
        legend_below(figure, columns=4)
    return figure
