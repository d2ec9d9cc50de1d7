"""Write the files of a study: those of single runs, and the tables they are folded into.

The order is such that a crash between any two steps loses nothing and doubles nothing: first
``epochs.csv`` and ``predictions.npz``, then ``runs.csv``, which makes a run a finished one, and
only then the files of the run are removed.
"""

import contextlib
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer import results
from transfer.archives import members, merge_arrays, pack, read_member, write_npz
from transfer.errors import TransferError
from transfer.files import (
    exclusively,
    lock_beside,
    refuse_links,
    remove_temporaries,
    write_atomically,
)
from transfer.tables import format_number, merge, read_table, write_table

_TABLES = ("runs.csv", "epochs.csv", "predictions.npz", "all_experiments.csv")
_OF_A_RUN = {"rows": ".json", "logs": ".csv", "predictions": ".npz"}  # removed in this order
_OF_ALL_RUNS = ("labels", "clusters")  # arrays of predictions.npz that belong to no run


def write_log(study_dir: Path, run: str, epochs: Sequence[Mapping[str, float]]) -> None:
    """Record the epochs of a run so far, columns `LOG_COLUMNS`."""
    frame = pd.DataFrame(list(epochs), columns=list(results.LOG_COLUMNS))
    write_table(results.working(study_dir, "logs", f"{run}.csv"), frame.astype({"epoch": "int64"}))


def write_predictions(study_dir: Path, run: str, probabilities: np.ndarray) -> None:
    """Record test probabilities of a run, (N, classes), to four decimals."""
    path = results.working(study_dir, "predictions", f"{run}.npz")
    write_npz(path, [(run, pack(probabilities))])


def write_test_labels(
    study_dir: Path, labels: np.ndarray, clusters: np.ndarray | None = None
) -> None:
    """Record what the test images really are, if the study does not know it yet.

    ``clusters``: int64 (N,), which images belong together: those of one recording.
    """
    with contextlib.suppress(TransferError):  # there are none yet, or they are damaged
        known = results.read_test_clusters(study_dir)
        same = clusters is None or (known is not None and np.array_equal(known, clusters))
        if same and np.array_equal(results.read_test_labels(study_dir), labels):
            return
    given = {"labels": labels} | ({} if clusters is None else {"clusters": clusters})
    write_npz(results.working(study_dir, "predictions", "labels.npz"), given.items())


def write_row(study_dir: Path, row: Mapping[str, Any]) -> None:
    """Record that a run is finished: the last thing that it writes."""
    missing = set(results.RUN_COLUMNS) - set(row)
    if missing:
        raise ValueError(f"row of {row.get('run')} lacks {sorted(missing)}")
    kept = {column: row[column] for column in results.RUN_COLUMNS}
    for column, value in kept.items():
        if isinstance(value, float):  # as the table will have it
            kept[column] = float(format_number(value))
    path = results.working(study_dir, "rows", f"{row['run']}.json")
    write_atomically(path, json.dumps(kept, indent=1) + "\n")


def write_failure(study_dir: Path, run: str, reason: str) -> None:
    """Record why a run failed."""
    path = results.working(study_dir, "failed", f"{run}.json")
    write_atomically(path, json.dumps({"reason": reason}) + "\n")


def fold(study_dir: str | Path) -> None:
    """Put what finished runs have left in ``working/`` into the tables of the study, and remove it.

    Runs that are not finished keep their files. Runs whose line was deleted from ``runs.csv`` lose
    their epochs and predictions. Done again, it changes nothing.
    """
    folder = Path(study_dir)
    refuse_links(folder)
    with exclusively(lock_beside(folder / "runs.csv")):
        for name in _TABLES:
            remove_temporaries(folder, name)
        known, rows = set(results.folded_runs(folder)), results.read_rows(folder)
        whole = {*results.names_in(folder, "logs")} & {*results.names_in(folder, "predictions")}
        for run in rows["run"]:
            if run not in whole | known:
                raise TransferError(
                    f"Expected the log and the predictions of {run} in {results.working(folder)}. "
                    f"{results.to_repeat(folder, run)}"
                )
        # A row without them is in the table: a crash came while its files were being removed.
        rows = rows[rows["run"].isin(whole)]
        labels = results.working(folder, "predictions", "labels.npz")
        if not rows.empty or (known and labels.exists()):
            _add(folder, rows, labels)
            labels.unlink(missing_ok=True)
        for kind, suffix in _OF_A_RUN.items():
            for run in results.names_in(folder, kind):
                if run in known | set(rows["run"]):
                    results.working(folder, kind, f"{run}{suffix}").unlink(missing_ok=True)


def _add(folder: Path, rows: pd.DataFrame, labels: Path) -> None:
    """Put runs into the tables; those of a run whose line was deleted are dropped."""
    table, runs = folder / "runs.csv", list(rows["run"])
    keep = {*results.folded_runs(folder), *runs, *_OF_ALL_RUNS} if table.exists() else None
    logs = [results.read_log(folder, run).assign(run=run) for run in runs]
    arrays = {name: functools.partial(read_member, labels, name) for name in members(labels)}
    for run in runs:
        path = results.working(folder, "predictions", f"{run}.npz")
        arrays[run] = functools.partial(read_member, path, run)
    if logs:
        merge(folder / "epochs.csv", pd.concat(logs)[["run", *results.LOG_COLUMNS]], ("run",), keep)
    merge_arrays(folder / "predictions.npz", arrays, keep)
    merge(table, rows, ("run",))
    _write_published(folder)


def _write_published(folder: Path) -> None:
    """``all_experiments.csv``: the table of `runs.csv` in the published layout."""
    types = {
        name: results.RUN_COLUMNS[name] for name in ("kind", "n", "bn", "fraction", "test_accuracy")
    }
    runs = read_table(folder / "runs.csv", list(types), types)
    columns = {"network": runs["kind"], "block": runs["n"].fillna(0)}
    published = pd.DataFrame(columns | {"test_accuracy": runs["test_accuracy"]})
    drawn = results.as_keras_3(results.on_all_images(runs)).index
    write_table(folder / "all_experiments.csv", published.loc[drawn])
