"""What a network costs on a device: size, memory, latency, throughput, accuracy.

Times are those of this machine, and only worth comparing if it is idle.
"""

import gzip
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.deploy.costs.stopwatch import CALLS, time_file
from transfer.deploy.costs.table import COLUMNS, read_costs, write_exported
from transfer.deploy.export.open import Finished, open_data, read_finished
from transfer.deploy.export.runtimes import PACKAGES, SUFFIXES, require
from transfer.errors import TransferError
from transfer.machine import cores, machine
from transfer.networks.architecture import Architecture, multiply_adds, parameters, weight_shapes
from transfer.progress import track
from transfer.results import read_runs
from transfer.tables import upsert
from transfer.tasks.dataset import Dataset

_ACCURACIES = ("test_accuracy", "keras_test_accuracy", "largest_difference")
FORMATS = ("keras", "litert", "litert-int8", "onnx")


def measure(
    study_dir: str | Path,
    runs: Sequence[str] | None = None,
    formats: Sequence[str] = FORMATS,
    data: str | Path | None = None,
    calls: int = CALLS,
) -> pd.DataFrame:
    """Measure runs of a study (None: all that are finished) and write ``deploy.csv``.

    Only the lowest seed of each network is timed: times depend on the architecture alone. ``_1`` is
    with one thread, ``_all`` with one a core; ``network_bytes`` is the peak memory of the process
    beyond what the runtime itself takes, ``process_bytes`` all of it, at batch 1 with one thread.
    """
    study_dir = Path(study_dir)
    if unknown := set(formats) - set(FORMATS):
        raise TransferError(f"Expected formats of {', '.join(FORMATS)}. Received: {min(unknown)}.")
    if calls < CALLS:
        raise TransferError(f"Expected {CALLS} calls or more, for a 95th percentile: {calls}.")
    names = list(read_runs(study_dir)["run"]) if runs is None else list(runs)
    finished = [read_finished(study_dir / name) for name in names]
    if not finished:
        raise TransferError(f"Expected finished runs in {study_dir}. There are none.")
    for name in formats:
        for package in PACKAGES[name.removesuffix("-int8")]:
            require(package)
    dataset = open_data(finished[0], data)
    lowest: dict[str, int] = {}  # seed of each network
    for one in finished:
        family, seed = one.run.family, one.run.seed
        lowest[family] = min(seed, lowest.get(family, seed))
    pairs = [(one, name) for one in finished for name in formats]
    for one, name in track(pairs, len(pairs), "measuring"):
        timed = one.run.seed == lowest[one.run.family]
        row = _row(one, dataset, name, calls if timed else None)
        # Written after every file: what is measured stays if the next one fails.
        rows = pd.DataFrame([row], columns=list(COLUMNS)).astype({"n": "Int64"})
        upsert(study_dir / "deploy.csv", rows, ("run", "format"))
    return read_costs(study_dir)


def _row(finished: Finished, data: Dataset, name: str, calls: int | None) -> dict[str, Any]:
    """A row of deploy.csv; without ``calls`` nothing is timed."""
    from transfer.deploy.export.write import export_finished

    kind, int8 = name.removesuffix("-int8"), name.endswith("-int8")
    architecture = finished.architecture((data.height, data.width))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"network{SUFFIXES[kind]}"
        exported = export_finished(finished, data, out, kind, int8)
        times = {} if calls is None else _times(out, cores(), calls)
        sizes = file_sizes(out)
    about, run = exported.metadata, finished.run
    if int8:  # the file's own, for paired tests; a float file's are the network's
        write_exported(finished.study_dir, finished.run.name, name, exported.probabilities)
    return dict.fromkeys(COLUMNS) | {
        **{"run": run.name, "kind": run.kind, "n": run.n, "seed": run.seed},
        "alpha": finished.settings.alpha,
        "input": finished.settings.input,
        "format": name,
        "parameters": parameters(architecture),
        "multiply_adds": multiply_adds(architecture),
        "weight_bytes": weight_bytes(architecture, name),
        **sizes,
        **{name: about[name] for name in _ACCURACIES},
        **times,
        "machine": machine(),
    }


def _times(path: Path, every_core: int, calls: int) -> dict[str, Any]:
    one, every = (time_file(path, threads, calls) for threads in (1, every_core))
    names = ("median_ms", "p95_ms", "images_per_second")
    return {
        **{f"{name}_1": getattr(one, name) for name in names},
        **{f"{name}_all": getattr(every, name) for name in names},
        "network_bytes": one.network_bytes,
        "process_bytes": one.peak_bytes,
        "threads_all": every_core,
        "calls": calls,
    }


def file_sizes(path: Path) -> dict[str, int]:
    """Bytes of a file, and of the same compressed (gzip, level 9): what zeros and repeats save."""
    content = path.read_bytes()
    return {"file_bytes": len(content), "gzip_bytes": len(gzip.compress(content, 9, mtime=0))}


def weight_bytes(architecture: Architecture, name: str) -> int:
    """Memory of the weights alone, bytes.

    Outside Keras a BatchNorm layer is folded into its convolution: kernels and one bias an output
    channel; in int8 a kernel weight takes one byte. (ONNX keeps it after a depthwise convolution.)
    """
    if name == "keras":
        return 4 * parameters(architecture)
    total = 0
    shapes = weight_shapes(architecture)
    for weight, shape in shapes.items():
        if weight.endswith("/kernel"):
            depthwise = len(shape) == 4 and shape[3] == 1
            channels = shape[2] if depthwise else shape[-1]
            numbers = 2 if name == "onnx" and depthwise else 1
            total += math.prod(shape) * (1 if name == "litert-int8" else 4) + 4 * numbers * channels
        elif not weight.endswith("/bias") and (
            f"{weight.split('/')[0]}/moving_mean" not in shapes
        ):  # of other normalisations: not folded
            total += 4 * math.prod(shape)
    return total
