"""A study in numbers: what a report is about, its first screen, and the table of networks."""

import functools
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from transfer.answers.answer import Answer
from transfer.answers.sentences import files_of
from transfer.deploy.costs.table import FORMAT_LABELS
from transfer.errors import TransferError
from transfer.figures.style import METRIC_NAME, mean_and_interval
from transfer.files import sha256_of
from transfer.networks.backbone import backbone_in
from transfer.results import (
    as_keras_3,
    on_all_images,
    read_predictions,
    read_runs,
    read_test_labels,
)
from transfer.runs import PROTOCOLS, parse_run
from transfer.statistics.intervals import with_intervals
from transfer.study_file import Settings, data_path, read_calls, read_settings
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
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Facts:
    """A study as far as its small files tell."""

    folder: Path
    settings: Settings  #: of study.json
    runs: pd.DataFrame  #: runs.csv, with the interval of each network

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.settings.classes

    @property
    def whole(self) -> pd.DataFrame:
        """The runs on all training images."""
        return on_all_images(self.runs)

    @functools.cached_property
    def test_labels(self) -> np.ndarray:
        """Test labels, int64 (N,), as numbers of `classes`."""
        labels = read_test_labels(self.folder)
        if not np.isin(labels, np.arange(len(self.classes))).all():
            raise TransferError(
                f"Expected test labels in 0..{len(self.classes) - 1} in {self.folder}."
            )
        return labels

    def probabilities(self, run: str) -> np.ndarray:
        """Test probabilities of a run, float32 (N, classes)."""
        probabilities = read_predictions(self.folder, run)
        expected = (len(self.test_labels), len(self.classes))
        if probabilities.shape != expected:
            raise TransferError(
                f"Expected predictions of {run} for {expected[0]} test images and {expected[1]} "
                f"classes in {self.folder}. Received: {probabilities.shape}."
            )
        return probabilities


def read_facts(study_dir: str | Path) -> Facts:
    """The study in a folder."""
    folder = Path(study_dir)
    runs = with_intervals(folder, read_runs(folder))
    if runs.empty:
        raise TransferError(f"Expected at least one finished run in {folder}. There is none yet.")
    return Facts(folder, read_settings(folder), runs)


def settings_in_words(facts: Facts) -> Pairs:
    """Everything that the results depend on, but for the data set."""
    settings = facts.settings
    protocol = settings.protocol.values()
    return [
        ("source of baseA", settings.source.name if settings.source else "none"),
        ("backbone", settings.backbone),
        ("width multiplier alpha", f"{settings.alpha:g}"),
        ("input, height x width", settings.input),
        *((f"protocol: {key.replace('_', ' ')}", str(value)) for key, value in protocol.items()),
        ("threads of a worker", str(settings.threads or "not recorded")),
    ]


def hashes(facts: Facts) -> Pairs:
    """SHA-256 of what the study was made from, and of its table."""
    source, table = facts.settings.source, facts.folder / "runs.csv"
    return [  # a study that is not finished has no table yet
        ("data set, content", facts.settings.data_sha256),
        *([("weights of baseA, file", source.sha256)] if source else []),
        *([("runs.csv, file", sha256_of(table))] if table.exists() else []),
    ]


def calls_in_words(facts: Facts) -> tuple[str, Pairs]:
    """The commands that made the study; and versions and machine of the last."""
    calls = read_calls(facts.folder)
    try:
        machine = f"{calls[-1]['machine']}, {calls[-1]['processors']} processors"
        versions = [(str(name), str(version)) for name, version in calls[-1]["versions"].items()]
        commands = [_command(facts, call) for call in calls]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            "The commands that made the study are left out: a call in study.json lacks the "
            "versions, the machine or what was asked."
        ) from error
    return "\n".join(dict.fromkeys(commands)), [("machine", machine), *versions]


def _command(facts: Facts, call: dict[str, Any]) -> str:
    """A call, its defaults spelt out."""
    settings = facts.settings
    options = {"--data": data_path(facts.folder)}
    if settings.source:
        options["--source"] = settings.source.name
    if "round" in call:  # it chose its runs itself
        options["--until-decided"] = ""
        options["--margin"] = f"{100 * float(call['margin']):g}"
    for option in ("kinds", "n", "seeds", "bn"):
        if call[option] and "round" not in call:
            options[f"--{option}"] = ",".join(str(value) for value in call[option])
    if call["fractions"] != [1.0]:
        options["--train-fraction"] = ",".join(f"{float(f):g}" for f in call["fractions"])
    options["--backbone"] = settings.backbone
    options["--alpha"] = f"{settings.alpha:g}"
    options["--input"] = settings.input
    options["--protocol"] = settings.protocol.name.partition("-")[0]  # fast-e9: fast, 9 epochs
    usual = PROTOCOLS.get(options["--protocol"])
    for option in ("epochs", "batch"):
        value = getattr(settings.protocol, option)
        if usual is None or value != getattr(usual, option):
            options[f"--{option}"] = str(value)
    options["--out"] = str(facts.folder)
    words = [
        f"{option} {shlex.quote(value)}" if value else option for option, value in options.items()
    ]
    return " \\\n    ".join(["python -m transfer study", *words])


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
