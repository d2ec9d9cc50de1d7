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
from transfer.results import (
    on_all_images,
    read_predictions,
    read_runs,
    read_test_labels,
)
from transfer.runs import PROTOCOLS
from transfer.study_file import Settings, data_path, read_calls, read_settings

_MAX_CLASSES = 1000  # of a data set, see transfer.tasks.dataset


@dataclass(frozen=True, eq=False)
class Facts:
    """A study as far as its small files tell.

    Attributes
    ----------
    folder : Path
    name : str
        Of the folder.
    dataset, data_path, data_sha256 : str
        Name, folder and content hash of the data set.
    classes : tuple of str
    images : dict of str to int
        Images a split.
    settings : Settings
    runs : pandas.DataFrame
        runs.csv.
    """

    folder: Path
    name: str
    dataset: str
    data_path: str
    data_sha256: str
    classes: tuple[str, ...]
    images: dict[str, int]
    settings: Settings
    runs: pd.DataFrame

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
    """The study in a folder.

    Raises
    ------
    TransferError
        If the folder holds no study, or none of its runs is finished.
    """
    folder = Path(study_dir)
    runs, settings = read_runs(folder), read_settings(folder)
    if runs.empty:
        raise TransferError(f"Expected at least one finished run in {folder}. There is none yet.")
    return Facts(
        folder,
        folder.resolve().name,
        settings.dataset,
        data_path(folder),
        settings.data_sha256,
        settings.classes,
        settings.images,
        settings,
        runs,
    )


@dataclass(frozen=True)
class Made:
    """How a study was made, as lines of two columns, and the commands that made it."""

    source: str
    protocol: str
    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    hashes: list[tuple[str, str]]
    command: str


def how_it_was_made(facts: Facts) -> Made:
    """Settings, versions, hashes and calls, from study.json and runs.csv.

    Raises
    ------
    TransferError
        If study.json lacks them.
    """
    calls = read_calls(facts.folder)
    try:
        versions = {str(k): str(v) for k, v in calls[-1]["versions"].items()}
        machine = f"{calls[-1]['machine']}, {calls[-1]['processors']} processors"
        commands = [_command(facts, call) for call in calls]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            "How the study was made is left out: a call in study.json lacks the versions, the "
            "machine or what was asked."
        ) from error
    settings, source = facts.settings, facts.settings.source
    hashes = [
        ("data set, content", facts.data_sha256),
        *([("weights of baseA, file", source.sha256)] if source else []),
        ("runs.csv, file", sha256_of(facts.folder / "runs.csv")),
    ]
    return Made(
        source.name if source else "none",
        settings.protocol.name,
        [
            ("source of baseA", source.name if source else "none"),
            ("width multiplier alpha", f"{settings.alpha:g}"),
            ("input, height x width", settings.input),
            *(
                (f"protocol: {key.replace('_', ' ')}", str(value))
                for key, value in settings.protocol.values().items()
            ),
            ("threads of a worker", str(settings.threads or "not recorded")),
            ("machine", machine),
        ],
        list(versions.items()),
        hashes,
        "\n".join(dict.fromkeys(commands)),
    )


def _command(facts: Facts, call: dict[str, Any]) -> str:
    """A call, its defaults spelt out."""
    settings = facts.settings
    options = {"--data": facts.data_path}
    if settings.source:
        options["--source"] = settings.source.name
    for option in ("kinds", "n", "seeds", "bn"):
        if call[option]:
            options[f"--{option}"] = ",".join(str(value) for value in call[option])
    if call["fractions"] != [1.0]:
        options["--train-fraction"] = ",".join(f"{float(f):g}" for f in call["fractions"])
    options["--alpha"] = f"{settings.alpha:g}"
    options["--input"] = settings.input
    options["--protocol"] = settings.protocol.name.partition("-")[0]  # fast-e9: fast, 9 epochs
    usual = PROTOCOLS.get(options["--protocol"])
    for option in ("epochs", "batch"):
        value = getattr(settings.protocol, option)
        if usual is None or value != getattr(usual, option):
            options[f"--{option}"] = str(value)
    options["--out"] = str(facts.folder)
    words = [f"{option} {shlex.quote(value)}" for option, value in options.items()]
    return " \\\n    ".join(["python -m transfer study", *words])
