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
    read_study,
    read_test_labels,
)
from transfer.runs import BN_SEMANTICS, KINDS, PROTOCOLS

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
    study : dict
        study.json.
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
    study: dict[str, Any]
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
        If the folder holds no study, none of its runs is finished, or study.json lacks the data
        set.
    """
    folder = Path(study_dir)
    runs, study = read_runs(folder), read_study(folder)
    if runs.empty:
        raise TransferError(f"Expected at least one finished run in {folder}. There is none yet.")
    try:
        dataset = study["dataset"]
        classes = tuple(str(name) for name in dataset["classes"])
        images = {str(split): int(count) for split, count in dataset["images"].items()}
        name, path, sha256 = (str(dataset[key]) for key in ("name", "path", "sha256"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            f"Expected a dataset with name, path, sha256, images, classes in {folder}/study.json."
        ) from error
    if not 2 <= len(classes) <= _MAX_CLASSES:
        raise TransferError(f"Expected 2..{_MAX_CLASSES} classes in {folder}/study.json.")
    return Facts(folder, folder.resolve().name, name, path, sha256, classes, images, study, runs)


@dataclass(frozen=True)
class Made:
    """How a study was made, as lines of two columns, and the call that goes on with it."""

    source: str
    protocol: str
    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    hashes: list[tuple[str, str]]
    command: str
    beyond: int  #: finished runs that this call did not ask for


def how_it_was_made(facts: Facts) -> Made:
    """Settings, versions, hashes and the last call, from study.json and runs.csv.

    Raises
    ------
    TransferError
        If study.json lacks them.
    """
    study = facts.study
    try:
        protocol, environment = dict(study["protocol"]), dict(study["environment"])
        versions = {str(k): str(v) for k, v in environment["versions"].items()}
        source = {str(k): str(v) for k, v in study.get("source", {}).items()}
        asked = {k: list(study["asked"][k]) for k in ("kinds", "n", "seeds", "bn", "fractions")}
        settings = [
            ("source of baseA", source.get("name", "none")),
            ("width multiplier alpha", f"{float(study['alpha']):g}"),
            ("input, height x width", str(study["input"])),
            *((f"protocol: {str(k).replace('_', ' ')}", str(v)) for k, v in protocol.items()),
            ("machine", f"{environment['machine']}, {environment['processors']} processors"),
        ]
        command = _command(facts, study, protocol, source, asked)
        beyond = _beyond(facts.runs, asked)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            "How the study was made is left out: study.json lacks the protocol, what was asked or "
            "the environment."
        ) from error
    hashes = [
        ("data set, content", facts.data_sha256),
        *([("weights of baseA, file", source["sha256"])] if "sha256" in source else []),
        ("runs.csv, file", sha256_of(facts.folder / "runs.csv")),
    ]
    return Made(
        source.get("name", "none"),
        str(protocol["name"]),
        settings,
        list(versions.items()),
        hashes,
        command,
        beyond,
    )


def _command(
    facts: Facts,
    study: dict[str, Any],
    protocol: dict[str, Any],
    source: dict[str, str],
    asked: dict[str, list[Any]],
) -> str:
    """The last call, its defaults spelt out."""
    options = {"--data": facts.data_path}
    if "name" in source:
        options["--source"] = source["name"]
    for option in ("kinds", "n", "seeds", "bn"):
        options[f"--{option}"] = ",".join(str(value) for value in asked[option])
    if asked["fractions"] != [1.0]:
        options["--train-fraction"] = ",".join(f"{float(f):g}" for f in asked["fractions"])
    options["--alpha"] = f"{float(study['alpha']):g}"
    options["--input"] = str(study["input"])
    options["--protocol"] = str(protocol["name"]).partition("-")[0]  # fast-e9 is fast, 9 epochs
    usual = PROTOCOLS.get(options["--protocol"])
    for option in ("epochs", "batch"):
        if usual is None or protocol[option] != getattr(usual, option):
            options[f"--{option}"] = str(protocol[option])
    options["--out"] = str(facts.folder)
    words = [f"{option} {shlex.quote(value)}" for option, value in options.items()]
    return " \\\n    ".join(["python -m transfer study", *words])


def _beyond(runs: pd.DataFrame, asked: dict[str, list[Any]]) -> int:
    """How many finished runs the last call did not ask for."""
    inside = (
        runs["kind"].isin([kind for kind in KINDS if kind in asked["kinds"]])
        & (runs["n"].isna() | runs["n"].isin(asked["n"]))
        & runs["seed"].isin(asked["seeds"])
        & (runs["bn"].isin(["", *(bn for bn in BN_SEMANTICS if bn in asked["bn"])]))
        & runs["fraction"].isin(asked["fractions"])
    )
    return int((~inside).sum())
