"""``deploy.csv``: what the networks of a study cost on a device, one row a run and format.

Beside it, ``predictions/RUN.FORMAT.npz`` holds the test probabilities of a file that does not give
the network's own (int8). Written by `transfer.deploy.costs.measure`.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.archives import read_npz
from transfer.errors import TransferError
from transfer.files import read_bytes
from transfer.runs import parse_run, parse_runs
from transfer.tables import read_table

#: Number format and runtime of a format, for a person.
FORMAT_LABELS = {
    "keras": "float32, Keras",
    "litert": "float32, LiteRT",
    "litert-int8": "int8, LiteRT",
    "onnx": "float32, ONNX",
}
#: Columns of deploy.csv, in this order. Times are empty but for the lowest seed measured: they are
#: those of the architecture, whatever its weights.
COLUMNS = (
    "run",
    "kind",
    "n",
    "seed",
    "alpha",
    "input",
    "format",
    "parameters",
    "multiply_adds",
    "weight_bytes",
    "file_bytes",
    "gzip_bytes",
    "test_accuracy",
    "keras_test_accuracy",
    "largest_difference",
    "median_ms_1",
    "p95_ms_1",
    "images_per_second_1",
    "median_ms_all",
    "p95_ms_all",
    "images_per_second_all",
    "network_bytes",
    "process_bytes",
    "threads_all",
    "calls",
    "machine",
)
_COUNTS = ("seed", "parameters", "multiply_adds", "weight_bytes", "file_bytes", "gzip_bytes")
_MAX_PREDICTIONS_BYTES = 256 << 20


def read_costs(study_dir: str | Path) -> pd.DataFrame:
    """``deploy.csv`` of a study, columns `COLUMNS`; no rows if nothing was measured.

    Raises
    ------
    TransferError
        If the table is not one of ours.
    """
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


def exported_path(study_dir: Path, run: str, name: str) -> Path:
    """Where the test probabilities of a run's exported file are kept."""
    return study_dir / "predictions" / f"{run}.{name}.npz"


def read_exported(study_dir: Path, run: str, name: str) -> np.ndarray:
    """Test probabilities that the file of a run gave, float32 (N, classes).

    Raises
    ------
    TransferError
        If they are missing or damaged.
    """
    path = exported_path(study_dir, run, name)
    try:
        content = io.BytesIO(read_bytes(path, _MAX_PREDICTIONS_BYTES))
        array = read_npz(content, _MAX_PREDICTIONS_BYTES, only="array")["array"]
    except (OSError, ValueError) as error:
        raise TransferError(
            f"Expected the predictions of the {name} file of {run} in {path}. They cannot be "
            "read: measure it again."
        ) from error
    if array.ndim != 2 or array.dtype != np.float32:
        raise TransferError(f"Expected float32 (N, classes) predictions in {path}.")
    return array
