"""Networks in numbers: the first screen of the report, its table, and that of the terminal."""

import math
from dataclasses import dataclass

import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.answers.answer import Answer
from transfer.answers.sentences import files_of
from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.figures.style import METRIC_NAME, mean_and_interval
from transfer.networks.backbone import backbone_in
from transfer.report.facts import Facts
from transfer.results import as_keras_3
from transfer.runs import parse_run
from transfer.wording import file_sizes, hundred

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


def slice_of(answer: Answer | None) -> int | None:
    """The n of the sliced-n that an answer keeps; None if it keeps none."""
    if answer is None or answer.network is None:
        return None
    return parse_run(f"{answer.network}_s0").n


Value = tuple[str, str]  # with a note below it


def card(facts: Facts, n: int) -> list[tuple[str, list[Value]]]:
    """Rows of the answer's card: what, and that of sliced-n and of baseB."""
    runs = as_keras_3(facts.whole)
    pair = runs[(runs["kind"] == "sliced") & (runs["n"] == n)], runs[runs["kind"] == "baseB"]
    rows = [("balanced accuracy", [_accuracy(group) for group in pair])]
    for column, name in (("parameters", "weights"), ("multiply_adds", "multiply-adds")):
        rows.append((name, [(_short(float(group[column].iloc[0])), "") for group in pair]))
    name, files = files_of(facts.folder, ("sliced", n, ""))
    if files:
        sizes = file_sizes(*(group["file_bytes"].median() for group in files))
        small, _, large = sizes.partition(" instead of ")
        unit = small.partition(" ")[2]
        rows.append((f"file, {FORMAT_LABELS[name]}", [(small, ""), (f"{large} {unit}", "")]))
        times = [group["median_ms_1"].median() for group in files]
        if all(map(pd.notna, times)):
            rows.append(("time an image", [(f"{time:.2f} ms", "") for time in times]))
    return rows


def _accuracy(group: pd.DataFrame) -> Value:
    mean, low, high = map(hundred, mean_and_interval(group))
    return mean, "" if low == "nan" else f"{low} to {high}"


def _short(number: float) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


@dataclass(frozen=True)
class Segment:
    """Neighbouring blocks, and what was found about them."""

    blocks: str  #: as ``2-4``
    weights: float  #: their share of all weights, 0..1
    work: float  #: their share of all multiply-adds, 0..1
    finding: str  #: a key of `transfer.figures.style.FINDINGS`


def segments(facts: Facts, answer: Answer) -> list[Segment]:
    """The blocks of the network, divided where sliced-n was tried; none if it was not.

    Stem and head go with the first and the last. A segment costs the difference of its end slices.
    """
    runs = as_keras_3(facts.whole)
    last, keep = backbone_in(runs).blocks, slice_of(answer)
    ends = [(int(n), rows.iloc[0]) for n, rows in runs[runs["kind"] == "sliced"].groupby("n")]
    whole = runs[runs["kind"] == "baseB"]
    if not ends or whole.empty:
        return []
    if ends[-1][0] < last:
        ends.append((last, whole.iloc[0]))
    columns, done = ("parameters", "multiply_adds"), [0.0, 0.0]
    total = [float(whole[column].iloc[0]) for column in columns]
    found, first = [], 1
    frozen, tuned = answer.general or 0, _is_tuned(answer)
    for end, row in ends:
        now = [float(row[column]) for column in columns]
        weights, work = (max(0.0, (b - a) / c) for a, b, c in zip(done, now, total, strict=True))
        if keep is not None and first > keep:
            finding = "cut"
        elif end <= frozen:
            finding = "frozen"
        else:
            finding = "tuned" if tuned and first > frozen else "open"
        blocks = f"{first}-{end}" if end > first else str(end)
        found.append(Segment(blocks, weights, work, finding))
        done, first = now, end + 1
    return found


def _is_tuned(answer: Answer) -> bool:
    """Whether freezing one block more than is shown to be general is shown to cost accuracy."""
    tested = {
        run.n: row["outcome"]
        for row in answer.comparisons
        if row["bn"] == "inference"
        and (run := parse_run(f"{row['network']}_s0")).kind == "AnB"
        and run.n is not None
        and run.n > (answer.general or 0)
    }
    return bool(tested) and tested[min(tested)] == "shown not"


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
