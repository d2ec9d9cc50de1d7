"""The files of a study: what is written, how, and how to read it back into pandas.

::

    STUDY/study.json           the resolved study, versions, machine
    STUDY/runs.csv             one row a finished run
    STUDY/rows/RUN.json        the same row, written the moment the run finished
    STUDY/logs/RUN.csv         one row an epoch
    STUDY/predictions/RUN.npz  test probabilities, for paired tests
    STUDY/predictions/labels.npz  what the test images really are
    STUDY/models/RUN.weights.h5   (not under version control)

``rows/`` is the record; ``runs.csv`` is derived from it, so that many processes can finish runs
of one study at once without a shared file to fight for.
"""

import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.archives import read_npz
from transfer.errors import TransferError
from transfer.files import (
    exclusively,
    open_atomically,
    read_bytes,
    remove_temporaries,
    write_atomically,
)
from transfer.runs import BLOCKS, KINDS, Run, parse_run, parse_runs

#: Columns of runs.csv, in this order.
RUN_COLUMNS: dict[str, str] = {
    "run": "string",
    "kind": "string",
    "n": "Int64",
    "seed": "int64",
    "bn": "string",
    "source": "string",
    "dataset": "string",
    "alpha": "float64",
    "input": "string",
    "protocol": "string",
    "epochs": "int64",
    "best_epoch": "int64",
    "val_accuracy": "float64",
    "test_accuracy": "float64",
    "test_low": "float64",
    "test_high": "float64",
    "test_balanced_accuracy": "float64",
    "parameters": "int64",
    "multiply_adds": "int64",
    "seconds": "float64",
    "weights_sha256": "string",
    "fraction": "float64",
    "train_images": "int64",
    "test_equals_accuracy": "float64",
    "test_equals_low": "float64",
    "test_equals_high": "float64",
    "bn_momentum": "float64",
    "confusion": "string",
    "last_val_accuracy": "float64",
    "last_test_accuracy": "float64",
    "last_test_balanced_accuracy": "float64",
    "threads": "Int64",
    "tensorflow": "string",
    "machine": "string",
    "backbone": "string",
}
#: Columns that tables of version 0.2 and older lack: read as missing values (text: "").
_LATER_COLUMNS = tuple(RUN_COLUMNS)[list(RUN_COLUMNS).index("last_val_accuracy") :]
LOG_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
# A hostile table could ask pandas for gigabytes: many short lines under a wide header.
_MAX_TABLE_BYTES = 64 << 20
_MAX_ROWS, _MAX_COLUMNS = 200_000, 64
_MAX_JSON_BYTES = 4 << 20
_LARGE_STUDY, _SECONDS_BETWEEN_TABLES = 1000, 60
_MAX_PREDICTIONS_FILE_BYTES = 64 << 20
_MAX_PREDICTIONS_BYTES = 256 << 20


def format_number(value: float) -> str:
    """Six significant digits: enough for any accuracy, and the same text on every machine."""
    return f"{value:.6g}"


def write_log(study_dir: Path, run: str, epochs: Sequence[Mapping[str, float]]) -> None:
    """Write ``logs/RUN.csv``, one row an epoch, columns `LOG_COLUMNS`."""
    lines = [",".join(LOG_COLUMNS)]
    lines += [",".join(format_number(row[column]) for column in LOG_COLUMNS) for row in epochs]
    write_atomically(study_dir / "logs" / f"{run}.csv", "\n".join(lines) + "\n")


def read_log(study_dir: str | Path, run: str) -> pd.DataFrame:
    """``logs/RUN.csv`` as a data frame with the columns `LOG_COLUMNS`.

    Raises
    ------
    TransferError
        If the file is missing or malformed.
    """
    dtypes = {**dict.fromkeys(LOG_COLUMNS, "float64"), "epoch": "int64"}
    return _read_csv(Path(study_dir) / "logs" / f"{parse_run(run).name}.csv", LOG_COLUMNS, dtypes)


def write_row(study_dir: Path, row: Mapping[str, Any]) -> None:
    """Record a finished run in ``rows/RUN.json`` and bring ``runs.csv`` up to date.

    From 1,000 rows on, ``runs.csv`` is written once a minute and at the end of the study.

    The row is the last thing a run writes: where it exists, the run is complete.
    """
    missing = set(RUN_COLUMNS) - set(row)
    if missing:
        raise ValueError(f"row of {row.get('run')} lacks {sorted(missing)}")
    text = json.dumps({column: row[column] for column in RUN_COLUMNS}, indent=1)
    write_atomically(study_dir / "rows" / f"{row['run']}.json", text + "\n")
    if _due(study_dir):
        write_runs(study_dir)


def _due(study_dir: Path) -> bool:
    """Whether to write the table now: of a large study once a minute, as it takes all rows."""
    table = study_dir / "runs.csv"
    if len(os.listdir(study_dir / "rows")) <= _LARGE_STUDY or not table.exists():
        return True
    return time.time() - table.stat().st_mtime > _SECONDS_BETWEEN_TABLES


def finished(study_dir: Path, run: Run) -> bool:
    """Whether the run is complete."""
    return (study_dir / "rows" / f"{run.name}.json").exists()


def write_runs(study_dir: Path) -> None:
    """Derive ``runs.csv`` and ``all_experiments.csv`` from ``rows/``.

    One process at a time: two that read the rows at different moments must not write in the other
    order, or the table would lack the newest row.
    """
    with exclusively(study_dir / "locks" / "table.lock"):
        for name in ("runs.csv", "all_experiments.csv"):
            remove_temporaries(study_dir, name)
        _write_tables(study_dir)


def _write_tables(study_dir: Path) -> None:
    frame = _frame_of_rows(study_dir)
    text = frame.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(study_dir / "runs.csv", text)
    published = pd.DataFrame(
        {
            "network": frame["kind"],
            "block": frame["n"].fillna(0),
            "test_accuracy": frame["test_accuracy"],
        }
    )[frame["bn"].isin(["", "inference"]) & (frame["fraction"] == 1.0)]
    text = published.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(study_dir / "all_experiments.csv", text)


def _frame_of_rows(study_dir: Path) -> pd.DataFrame:
    rows = []
    for path in sorted((study_dir / "rows").glob("*.json")):
        if path.name.startswith("."):
            continue
        row = read_json(path)
        if set(RUN_COLUMNS) - set(row) - set(_LATER_COLUMNS):
            raise TransferError(f"Expected the row of a run in {path}. Delete it to run it again.")
        rows.append({column: row.get(column) for column in RUN_COLUMNS})
    frame = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    try:
        return _sorted(frame.astype(RUN_COLUMNS))
    except (ValueError, TypeError, OverflowError) as error:
        raise TransferError(
            f"Expected rows of runs in {study_dir / 'rows'}. One holds something else: delete it "
            "to run it again."
        ) from error


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the protocol: seed last, so that one network's seeds are neighbours."""
    order = frame.assign(
        _kind=frame["kind"].map({kind: position for position, kind in enumerate(KINDS)})
    )
    order = order.sort_values(["_kind", "bn", "fraction", "n", "seed"], kind="stable")
    return order.drop(columns="_kind").reset_index(drop=True)


def read_runs(study_dir: str | Path) -> pd.DataFrame:
    """``runs.csv`` as a data frame: one row a finished run, dtypes as in `RUN_COLUMNS`.

    Raises
    ------
    TransferError
        If the file is missing, malformed, or holds a run no protocol knows.
    """
    path = Path(study_dir) / "runs.csv"
    frame = _read_csv(path, tuple(RUN_COLUMNS), RUN_COLUMNS, optional=_LATER_COLUMNS)
    if [run.kind for run in parse_runs(frame["run"], path)] != frame["kind"].tolist():
        raise TransferError(f"Expected in {path} the kind that the name of each run says.")
    accuracies = frame["test_accuracy"]
    if not accuracies.between(0, 1).all() or not frame["n"].dropna().between(0, BLOCKS).all():
        raise TransferError(f"Expected accuracies in 0..1 and n in 0..{BLOCKS} in {path}.")
    return frame


def on_all_images(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs on all training images."""
    return runs[runs["fraction"] == 1.0]


def as_keras_3(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose frozen BatchNorm is that of Keras 3 (``inference``), or that froze nothing."""
    return rows[rows["bn"].isin(["", "inference"])]


def _read_csv(
    path: Path,
    columns: tuple[str, ...],
    types: Mapping[str, str],
    optional: tuple[str, ...] = (),
) -> pd.DataFrame:
    """A CSV with at least ``columns``; of these, ``optional`` ones are filled if missing."""
    text = _read(path, _MAX_TABLE_BYTES)
    header, rows = text.partition(b"\n")[0], text.count(b"\n") + text.count(b"\r")
    if rows > _MAX_ROWS or header.count(b",") >= _MAX_COLUMNS:
        raise TransferError(f"Expected {_MAX_ROWS} rows, {_MAX_COLUMNS} columns at most in {path}.")
    dtypes = {k: v for k, v in types.items() if v == "string"}
    try:
        frame = pd.read_csv(
            io.BytesIO(text),
            dtype=dtypes,
            keep_default_na=False,
            na_values={c: [""] for c in columns},
        )
        missing = [column for column in columns if column not in frame.columns]
        for column in missing:
            if column not in optional:
                raise TransferError(f"Expected the column {column} in {path}. It is not there.")
            frame[column] = None
        frame = frame.fillna(dict.fromkeys(dtypes, ""))
        return frame.astype(dict(types))
    except (ValueError, TypeError, pd.errors.ParserError, OverflowError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise TransferError(f"Cannot read the table {path}: {reason}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of at most 4 MiB.

    Raises
    ------
    TransferError
        If the file is missing, too large, not JSON or not an object.
    """
    try:
        content = json.loads(_read(path, _MAX_JSON_BYTES).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TransferError(f"Expected JSON in {path}. It cannot be parsed.") from error
    if not isinstance(content, dict):
        raise TransferError(f"Expected a JSON object in {path}.")
    return content


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_bytes(path, limit)
    except OSError as error:
        raise TransferError(
            f"Cannot read {path}: {error.strerror}. Is this the folder of a study?"
        ) from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array, compressed, as the member ``array`` of an .npz file."""
    with open_atomically(path) as stream:
        np.savez_compressed(stream, array=array)


def read_predictions(study_dir: str | Path, run: str) -> np.ndarray:
    """Test probabilities of a run, float32 (N, classes), each row summing to one."""
    array = _read_array(Path(study_dir) / "predictions" / f"{parse_run(run).name}.npz")
    if array.ndim != 2 or array.dtype != np.float32:
        raise TransferError(f"Expected float32 (N, classes) predictions of {run} in {study_dir}.")
    return array


def read_test_labels(study_dir: str | Path) -> np.ndarray:
    """The test labels of a study, int64 (N,)."""
    array = _read_array(Path(study_dir) / "predictions" / "labels.npz")
    if array.ndim != 1 or array.dtype != np.int64:
        raise TransferError(f"Expected int64 (N,) test labels in {study_dir}.")
    return array


def _read_array(path: Path) -> np.ndarray:
    """The member ``array`` of an .npz file: declared size checked first, never unpickled."""
    try:
        content = read_bytes(path, _MAX_PREDICTIONS_FILE_BYTES)
        return read_npz(io.BytesIO(content), _MAX_PREDICTIONS_BYTES, only="array")["array"]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TransferError(
            f"Expected one array in {path}. It cannot be read: {reason}."
        ) from error
