"""``deploy.csv``: what the networks of a study cost on a device, one row a run and format.

Beside it, ``deploy_predictions.npz``: test probabilities of each int8 file, as ``RUN.FORMAT``.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer.archives import merge_arrays, pack, read_probabilities
from transfer.errors import TransferError
from transfer.files import exclusively, lock_beside
from transfer.runs import parse_run, parse_runs
from transfer.tables import read_table

#: Number format and runtime of a format, for a person.
FORMAT_LABELS = {
    "keras": "float32, Keras",
    "litert": "float32, LiteRT",
    "litert-int8": "int8, LiteRT",
    "onnx": "float32, ONNX",
}
#: Columns of deploy.csv, in this order. Only the lowest seed has times: they depend on
#: the architecture, not on the weights.
COLUMNS = (
    *("run", "kind", "n", "seed", "alpha", "input", "format", "parameters", "multiply_adds"),
    *("weight_bytes", "file_bytes", "gzip_bytes", "test_accuracy", "keras_test_accuracy"),
    *("largest_difference", "median_ms_1", "p95_ms_1", "images_per_second_1", "median_ms_all"),
    *("p95_ms_all", "images_per_second_all", "network_bytes", "process_bytes", "threads_all"),
    *("calls", "machine"),
)
_COUNTS = ("seed", "parameters", "multiply_adds", "weight_bytes", "file_bytes", "gzip_bytes")
_PREDICTIONS = "deploy_predictions.npz"


def read_costs(study_dir: str | Path) -> pd.DataFrame:
    """``deploy.csv`` of a study, columns `COLUMNS`; no rows if nothing was measured."""
    path = Path(study_dir) / "deploy.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    types = {**dict.fromkeys(_COUNTS, int), "alpha": float, "test_accuracy": float, "n": "Int64"}
    frame = read_table(path, COLUMNS, types, "Remove it to measure anew.")
    if not frame["format"].isin(FORMAT_LABELS).all():
        raise TransferError(f"Expected known formats in {path}. Remove it to measure anew.")
    parse_runs(frame["run"], path)
    return frame


def on_all_images(costs: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks trained on all training images."""
    whole = [parse_run(str(run)).fraction == 1.0 for run in costs["run"]]
    return costs[np.array(whole, bool)]


def write_exported(study_dir: Path, run: str, name: str, probabilities: np.ndarray) -> None:
    """Keep the test probabilities (N, classes) that the file of a run gave, to four decimals."""
    path = study_dir / _PREDICTIONS
    with exclusively(lock_beside(path)):
        merge_arrays(path, {f"{run}.{name}": lambda: pack(probabilities)})


def read_exported(study_dir: Path, run: str, name: str) -> np.ndarray:
    """Test probabilities that the file of a run gave, float32 (N, classes)."""
    try:
        return read_probabilities(study_dir / _PREDICTIONS, f"{run}.{name}")
    except TransferError as error:
        raise TransferError(f"{error} Measure the {name} file of {run} again.") from error
