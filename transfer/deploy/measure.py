"""What a network costs on a device: size, memory, latency, throughput, accuracy.

``python -m transfer.deploy.measure STUDY_DIR [RUN ...]`` exports runs in several formats, has each
file run by its runtime, and writes ``STUDY_DIR/deploy.csv``, one row a run and format. Rows of
other runs and formats stay. Times are those of this machine, and only worth comparing if it is
idle.
"""

import argparse
import math
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.deploy.finished import Finished, open_data, read_finished
from transfer.deploy.runtimes import PACKAGES, SUFFIXES, require
from transfer.deploy.stopwatch import CALLS, time_file
from transfer.errors import TransferError, UsageError
from transfer.files import write_atomically
from transfer.networks.architecture import (
    Architecture,
    multiply_adds,
    parameters,
    weight_shapes,
)
from transfer.progress import quietly, track
from transfer.results import format_number, read_runs
from transfer.tasks.dataset import Dataset

FORMATS = ("keras", "litert", "litert-int8", "onnx")
#: Columns of deploy.csv, in this order.
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
_MAX_TABLE_BYTES = 16 << 20


def measure(
    study_dir: str | Path,
    runs: Sequence[str] | None = None,
    formats: Sequence[str] = FORMATS,
    data: str | Path | None = None,
    calls: int = CALLS,
) -> pd.DataFrame:
    """Measure runs of a study and write ``deploy.csv``.

    Parameters
    ----------
    study_dir : path
    runs : sequence of str or None
        Names of runs; None: all that are finished.
    formats : sequence of str
        Of `FORMATS`.
    data : path or None
        Folder of the study's data set, if it has moved.
    calls : int
        Of one frame, for the latency; 200 or more.

    Returns
    -------
    pandas.DataFrame
        The whole of deploy.csv, columns `COLUMNS`. ``_1`` is with one thread, ``_all`` with one a
        core; ``network_bytes`` is the peak memory of the process beyond what the runtime itself
        takes, ``process_bytes`` all of it, both at batch 1 with one thread.

    Raises
    ------
    UsageError
        If a format is unknown or the calls are too few.
    TransferError
        If a run, the data or a package is missing, or a file fails its verification.
    """
    study_dir = Path(study_dir)
    if unknown := set(formats) - set(FORMATS):
        raise UsageError(f"Expected formats of {', '.join(FORMATS)}. Received: {min(unknown)}.")
    if calls < CALLS:
        raise UsageError(f"Expected {CALLS} calls or more, for a 95th percentile: {calls}.")
    names = list(read_runs(study_dir)["run"]) if runs is None else list(runs)
    finished = [read_finished(study_dir / name) for name in names]
    if not finished:
        raise TransferError(f"Expected finished runs in {study_dir}. There are none.")
    for name in formats:
        for package in PACKAGES[name.removesuffix("-int8")]:
            require(package)
    dataset = open_data(finished[0], data)
    path = study_dir / "deploy.csv"
    pairs = [(run, name) for run in finished for name in formats]
    for run, name in track(pairs, len(pairs), "measuring"):
        # Written after every file: what is measured stays if the next one fails.
        frame = _replaced(_read(path), _row(run, dataset, name, calls))
        write_atomically(path, _text(frame))
    return _read(path)


def _row(finished: Finished, data: Dataset, name: str, calls: int) -> dict[str, Any]:
    from transfer.deploy.export import export_finished

    kind, int8 = name.removesuffix("-int8"), name.endswith("-int8")
    architecture = finished.architecture((data.height, data.width))
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"network{SUFFIXES[kind]}"
        exported = export_finished(finished, data, out, kind, int8)
        one, every = (time_file(out, threads, calls) for threads in (1, cores))
        file_bytes = out.stat().st_size
    found = exported.metadata
    return {
        "run": finished.run.name,
        "kind": finished.run.kind,
        "n": finished.run.n,
        "seed": finished.run.seed,
        "alpha": finished.alpha,
        "input": "x".join(map(str, finished.input_size)),
        "format": name,
        "parameters": parameters(architecture),
        "multiply_adds": multiply_adds(architecture),
        "weight_bytes": weight_bytes(architecture, name),
        "file_bytes": file_bytes,
        "test_accuracy": found["test_accuracy"],
        "keras_test_accuracy": found["keras_test_accuracy"],
        "largest_difference": found["largest_difference"],
        "median_ms_1": one.median_ms,
        "p95_ms_1": one.p95_ms,
        "images_per_second_1": one.images_per_second,
        "median_ms_all": every.median_ms,
        "p95_ms_all": every.p95_ms,
        "images_per_second_all": every.images_per_second,
        "network_bytes": one.network_bytes,
        "process_bytes": one.peak_bytes,
        "threads_all": cores,
        "calls": calls,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def weight_bytes(architecture: Architecture, name: str) -> int:
    """Memory of the weights alone, bytes.

    A Keras network holds all its weights in float32. In the other formats a BatchNorm layer is
    folded into its convolution: kernels, and one bias an output channel; float32, or in int8 one
    byte a kernel weight and four a bias. (The ONNX converter leaves the BatchNorm after a
    depthwise convolution as a scale and an offset: one more number a channel.)
    """
    if name == "keras":
        return 4 * parameters(architecture)
    total = 0
    for weight, shape in weight_shapes(architecture).items():
        if weight.endswith("/kernel"):
            total += math.prod(shape) * (1 if name == "litert-int8" else 4)
        elif weight.endswith(("/beta", "/bias")) or (
            name == "onnx" and "conv_dw_" in weight and weight.endswith("/gamma")
        ):
            total += math.prod(shape) * 4
    return total


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    if path.stat().st_size > _MAX_TABLE_BYTES:
        raise TransferError(f"Expected at most {_MAX_TABLE_BYTES} bytes in {path}.")
    try:
        frame = pd.read_csv(path)
    except ValueError as error:
        raise TransferError(f"Cannot read the table {path}. Remove it to measure anew.") from error
    if list(frame.columns) != list(COLUMNS):
        raise TransferError(f"Expected other columns in {path}. Remove it to measure anew.")
    return frame.astype({"n": "Int64"})


def _replaced(frame: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The table with the row of this run and format replaced, or added at its end."""
    others = frame[(frame["run"] != row["run"]) | (frame["format"] != row["format"])]
    rows = [*others.to_dict("records"), row]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})


def _text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format=format_number, lineterminator="\n")


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m transfer.deploy.measure",
        description="Export runs of a study in several formats, run each file by its runtime and "
        "write size, memory, latency, throughput and accuracy to STUDY_DIR/deploy.csv.",
    )
    parser.add_argument("study", type=Path, metavar="STUDY_DIR")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="default: all that are finished")
    parser.add_argument("--formats", default=",".join(FORMATS), help="default: %(default)s")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the study's data, if moved")
    parser.add_argument("--calls", type=int, default=CALLS, help="of one frame (default: 200)")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with quietly():
        import tensorflow

        tensorflow.zeros(1)
    formats = options.formats.split(",")
    try:
        frame = measure(options.study, options.runs or None, formats, options.data, options.calls)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except TransferError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    shown = ["run", "format", "file_bytes", "test_accuracy", "median_ms_1", "p95_ms_1"]
    print(frame[[*shown, "images_per_second_all", "network_bytes"]].to_string(index=False))


if __name__ == "__main__":
    _main()
