"""What a report is about, read once: the study, its runs, its classes."""

import functools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.files import sha256_of
from transfer.results import on_all_images, read_predictions, read_runs, read_test_labels
from transfer.runs import PROTOCOLS
from transfer.statistics.intervals import with_intervals
from transfer.study_file import Settings, data_path, read_calls, read_settings

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
