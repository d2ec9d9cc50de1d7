"""The files of a study, and how to read them back into pandas. `transfer.folding` writes them.

``working/`` holds what single runs write while a study goes on: ``rows/RUN.json``, the last thing
that a run writes, ``logs/RUN.csv``, ``predictions/RUN.npz``, ``failed/RUN.json``, ``checkpoints/``,
``features/`` and ``locks/``. A study ends by folding them into the tables. Readers see both
together: to them a study that goes on, one that was killed and one that has ended look the same.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from transfer.archives import members, read_member, read_probabilities
from transfer.errors import TransferError
from transfer.files import WORKING, Version, read_json, refuse_links, version_of
from transfer.runs import KERAS_3, Run, parse_run, parse_runs
from transfer.tables import is_formula, place, read_table

_COLUMNS_BY_TYPE = (
    ("string", "run kind"),
    ("Int64", "n"),
    ("int64", "seed"),
    ("string", "bn source dataset"),
    ("float64", "alpha"),
    ("string", "input protocol"),
    ("int64", "epochs best_epoch"),
    ("float64", "val_accuracy test_accuracy test_low test_high test_balanced_accuracy"),
    ("int64", "parameters multiply_adds"),
    ("float64", "seconds"),
    ("string", "weights_sha256"),
    ("float64", "fraction"),
    ("int64", "train_images"),
    ("float64", "test_equals_accuracy test_equals_low test_equals_high bn_momentum"),
    ("float64", "last_val_accuracy last_test_accuracy last_test_balanced_accuracy"),
    ("Int64", "threads"),
    ("string", "tensorflow machine backbone"),
)
#: Columns of runs.csv, in this order, with their types.
RUN_COLUMNS = {name: kind for kind, names in _COLUMNS_BY_TYPE for name in names.split()}
#: Columns that tables of version 0.2 and older lack: read as missing values (text: "").
_LATER_COLUMNS = tuple(RUN_COLUMNS)[list(RUN_COLUMNS).index("last_val_accuracy") :]
LOG_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
_LOG_TYPES = {**dict.fromkeys(LOG_COLUMNS, "float64"), "epoch": "int64"}
_ROUNDING = 1e-5  # of numbers in the table, which have six digits
_T = TypeVar("_T")


def working(study_dir: str | Path, *parts: str) -> Path:
    """A path in the folder of what single runs write while a study goes on."""
    return Path(study_dir, WORKING, *parts)


def names_in(study_dir: str | Path, folder: str) -> list[str]:
    """Names of the runs that have a file in a folder of ``working/``, sorted."""
    path = working(study_dir, folder)
    names = sorted(file.stem for file in path.glob("[!.]*") if file.stem != "labels")
    parse_runs(names, path)
    return names


def to_repeat(study_dir: str | Path, run: str) -> str:
    """A sentence that says how a finished run is trained again."""
    row = working(study_dir, "rows", f"{run}.json")
    what = row if row.exists() else f"its line in {Path(study_dir) / 'runs.csv'}"
    return f"Delete {what} to train it again."


def finished(study_dir: str | Path, run: Run) -> bool:
    """Whether the run is complete: whether it has a row."""
    # In this order: a run is folded into the table before its row is removed.
    if working(study_dir, "rows", f"{run.name}.json").exists():
        return True
    return run.name in folded_runs(study_dir)


def read_failures(study_dir: str | Path) -> dict[str, str]:
    """Why runs failed that were not tried again since: a sentence by the name of the run."""
    failures = _contents(study_dir, "failed").items()
    return {name: str(failure.get("reason"))[:500] for name, failure in failures}


def _contents(study_dir: str | Path, folder: str) -> dict[str, dict[str, Any]]:
    """The JSON files in a folder of ``working/`` by run; without those that go meanwhile."""
    contents = {}
    for name in names_in(study_dir, folder):
        path = working(study_dir, folder, f"{name}.json")
        content = _unless_folded(path, functools.partial(read_json, path), lambda: None)
        if content is not None:
            contents[name] = content
    return contents


def folded_runs(study_dir: str | Path) -> frozenset[str]:
    """Names of the runs in ``runs.csv``; none if there is no such table."""
    path = Path(study_dir) / "runs.csv"
    version = version_of(path)
    return frozenset() if version is None else _runs_in(path, version)


@functools.lru_cache(maxsize=8)
def _runs_in(path: Path, version: Version) -> frozenset[str]:
    """Parsed once, however many runs are asked for."""
    return frozenset(read_table(path, ["run"], {"run": "string"})["run"])


def read_runs(study_dir: str | Path) -> pd.DataFrame:
    """All finished runs, a row each: the columns and dtypes of `RUN_COLUMNS`."""
    refuse_links(study_dir)
    path = Path(study_dir) / "runs.csv"
    runs = read_rows(study_dir)
    if not path.exists() and runs.empty:
        if (Path(study_dir) / "study.json").exists():
            raise TransferError(f"No run of the study in {study_dir} is finished.")
        raise TransferError(f"There is no study in {study_dir}: expected runs.csv in it.")
    if path.exists():
        table = read_table(path, list(RUN_COLUMNS), RUN_COLUMNS, optional=_LATER_COLUMNS)
        runs = pd.concat([table[~table["run"].isin(runs["run"])], runs])
    if not runs["run"].is_unique:
        raise TransferError(f"Expected a row a run in {path}. Received a run twice.")
    columns = runs[["kind", "n", "seed", "bn", "fraction"]].astype(object)
    named = [
        (run.kind, run.n, run.seed, run.bn, run.fraction) for run in parse_runs(runs["run"], path)
    ]
    if list(columns.where(columns.notna(), None).itertuples(index=False, name=None)) != named:
        raise TransferError(
            f"Expected in {path} the kind, n, seed, bn and fraction that the name of each run says."
        )
    _refuse_impossible(runs, path)
    order = sorted(range(len(runs)), key=[*map(place, runs["run"])].__getitem__)
    return runs.iloc[order].reset_index(drop=True)


def _refuse_impossible(runs: pd.DataFrame, path: Path) -> None:
    """What no run can have measured was put there by somebody, or is damaged."""
    for column in ("val_accuracy", "test_accuracy", "test_balanced_accuracy"):
        if not runs[column].between(0, 1).all():
            raise TransferError(f"Expected {column} of 0 to 1 in every row of {path}.")
    low, high = runs["test_low"] - _ROUNDING, runs["test_high"] + _ROUNDING
    if not (runs["test_accuracy"].between(low, high) & (low >= -2 * _ROUNDING)).all():
        raise TransferError(f"Expected test_accuracy inside its interval in every row of {path}.")
    if any(map(is_formula, {*runs["source"], *runs["dataset"]})):
        raise TransferError(f"Expected names in {path}. A source or data set is a formula there.")


def on_all_images(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs on all training images."""
    return runs[runs["fraction"] == 1.0]


def as_keras_3(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose frozen BatchNorm is that of Keras 3 (``inference``), or that froze nothing."""
    return rows[rows["bn"].isin(KERAS_3)]


def read_rows(study_dir: str | Path) -> pd.DataFrame:
    """As `read_runs`, of the finished runs that are not folded yet; often none."""
    rows = _contents(study_dir, "rows")
    for name, row in rows.items():
        if set(RUN_COLUMNS) - set(row) or row["run"] != name:
            raise TransferError(f"Expected the row of {name}. {to_repeat(study_dir, name)}")
    try:
        return pd.DataFrame(rows.values(), columns=list(RUN_COLUMNS)).astype(RUN_COLUMNS)
    except (ValueError, TypeError, OverflowError) as error:
        raise TransferError(
            f"Expected rows of runs in {working(study_dir, 'rows')}. One holds something else: "
            "delete it to train that run again."
        ) from error


def _unless_folded(path: Path, read: Callable[[], _T], instead: Callable[[], _T]) -> _T:
    """Read a file of a single run; what was folded, if there is none, or none any more."""
    if path.exists():
        try:
            return read()
        except TransferError:
            if path.exists():
                raise
    return instead()


def read_log(study_dir: str | Path, run: str) -> pd.DataFrame:
    """The epochs of a run, finished or not: the columns `LOG_COLUMNS`."""
    name = parse_run(run).name
    path = working(study_dir, "logs", f"{name}.csv")

    def folded() -> pd.DataFrame:
        table = Path(study_dir) / "epochs.csv"
        version = version_of(table)
        if version is None or name not in _logs_in(table, version):
            raise TransferError(f"Expected the epochs of {name} in {table}. There are none.")
        return _logs_in(table, version)[name].copy()

    return _unless_folded(path, lambda: read_table(path, LOG_COLUMNS, _LOG_TYPES), folded)


@functools.lru_cache(maxsize=4)
def _logs_in(path: Path, version: Version) -> dict[str, pd.DataFrame]:
    frame = read_table(path, ("run", *LOG_COLUMNS), {"run": "string", **_LOG_TYPES})
    parts = frame.groupby("run", sort=False)
    return {str(run): part[list(LOG_COLUMNS)].reset_index(drop=True) for run, part in parts}


def read_epochs(study_dir: str | Path) -> pd.DataFrame:
    """The epochs of all runs, finished or not: the columns ``run`` and `LOG_COLUMNS`."""
    table = Path(study_dir) / "epochs.csv"
    version = version_of(table)
    names = set(names_in(study_dir, "logs"))
    names |= set() if version is None else set(_logs_in(table, version))
    logs = [read_log(study_dir, name).assign(run=name) for name in sorted(names, key=place)]
    types = {"run": "string", **{column: _LOG_TYPES[column] for column in LOG_COLUMNS}}
    empty = pd.DataFrame(columns=list(types))
    return pd.concat(logs or [empty], ignore_index=True)[list(types)].astype(types)


def read_predictions(study_dir: str | Path, run: str) -> np.ndarray:
    """Test probabilities of a run, float32 (N, classes), of four decimals."""
    name = parse_run(run).name
    try:
        return read_probabilities(_archive(study_dir, name, name), name)
    except TransferError as error:
        raise TransferError(f"{error} {to_repeat(study_dir, name)}") from error


def has_predictions(study_dir: str | Path, run: str) -> bool:
    """Whether the study has kept test probabilities of a run."""
    return run in members(_archive(study_dir, run, run))


def _archive(study_dir: str | Path, single: str, name: str) -> Path:
    """Where an array is: in the file of a single run or, if that has none, with all others."""
    path = working(study_dir, "predictions", f"{single}.npz")
    return path if name in members(path) else Path(study_dir) / "predictions.npz"


def read_test_labels(study_dir: str | Path) -> np.ndarray:
    """The test labels of a study, int64 (N,)."""
    return _of_all_images(study_dir, "labels")


def read_test_clusters(study_dir: str | Path) -> np.ndarray | None:
    """Which test images belong together, int64 (N,); None if the study does not say."""
    if "clusters" not in members(_archive(study_dir, "labels", "clusters")):
        return None
    return _of_all_images(study_dir, "clusters")


def _of_all_images(study_dir: str | Path, name: str) -> np.ndarray:
    path = _archive(study_dir, "labels", name)
    numbers = read_member(path, name)
    if numbers.ndim != 1 or numbers.dtype != np.int64:
        raise TransferError(f"Expected int64 (N,) as {name} in {path}. Received: {numbers.dtype}.")
    return numbers
