"""Magnitude pruning of a whole network, to compare sliced-n with: ``STUDY_DIR/pruning.csv``.

``python -m transfer prune STUDY_DIR --like 7,8`` prunes every baseB to as many weights as sliced-7
and sliced-8 have, exports both number formats and measures them.

Unstructured, iterative and gradual with training between (Han et al. 2015, "Learning both weights
and connections"), along the cubic schedule of Zhu and Gupta 2017 ("To prune, or not to prune",
equation 1). As there, every pruned layer gets the same sparsity, and in MobileNet only pointwise
convolutions are pruned: stem and depthwise convolutions hold few weights.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.pruning_table import COLUMNS, pruned_name, read_pruning
from transfer.deploy.costs.measure import file_sizes, weight_bytes
from transfer.deploy.costs.stopwatch import time_file
from transfer.deploy.costs.table import exported_path
from transfer.deploy.export.finished import Finished, open_data, read_finished
from transfer.deploy.export.runtimes import PACKAGES, SUFFIXES, require
from transfer.deploy.export.write import export_weights
from transfer.errors import TransferError, UsageError
from transfer.networks.architecture import Architecture, multiply_adds, weight_shapes
from transfer.progress import track
from transfer.results import read_runs, read_study, write_array
from transfer.runs import BLOCKS, Protocol
from transfer.tables import write_table
from transfer.tasks.dataset import Dataset
from transfer.training.batches import training_batches
from transfer.training.loop import batch_norm_momentum, learning_rate
from transfer.training.step import Setting, Trainer

_FORMATS = ("litert", "litert-int8")
_RAMP = 2 / 3  #: share of the steps in which sparsity rises; in the rest weights recover
_EVERY = 10  #: steps between two prunings


def prunable(name: str) -> bool:
    """Whether magnitude pruning may touch this weight (``layer/weight``)."""
    return name.startswith("conv_pw_") and name.endswith("/kernel")


def file_weights(architecture: Architecture) -> int:
    """Weights in an exported file: kernels and one bias a channel, BatchNorm folded into them."""
    return weight_bytes(architecture, "litert") // 4


def sparsity_for(architecture: Architecture, weights: int) -> float | None:
    """Sparsity of the pointwise convolutions at which so many weights are left in a file.

    None if pruning cannot reach it: the other layers alone hold more.
    """
    shapes = weight_shapes(architecture)
    most = sum(math.prod(shape) for name, shape in shapes.items() if prunable(name))
    left = weights - (file_weights(architecture) - most)
    return 1 - left / most if 0 < left <= most else None


def sparsity_at(step: int, steps: int, final: float) -> float:
    """Zhu and Gupta 2017, equation 1, from 0 at the first step; ``final`` from 2/3 of them on."""
    progress = min(1.0, step / max(1.0, _RAMP * steps))
    return final * (1 - (1 - progress) ** 3)


def mask(weights: np.ndarray, sparsity: float) -> np.ndarray:
    """0 for the share ``sparsity`` of smallest magnitude, 1 for the others; float32, same shape."""
    zeros = round(sparsity * weights.size)
    kept = np.ones(weights.size, np.float32)
    kept[np.argsort(np.abs(weights), axis=None, kind="stable")[:zeros]] = 0
    return kept.reshape(weights.shape)


def prune(
    architecture: Architecture,
    weights: Mapping[str, np.ndarray],
    data: Dataset,
    protocol: Protocol,
    sparsity: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Prune a trained network while training it on, all epochs of ``protocol`` once more.

    Returns
    -------
    dict of str to numpy.ndarray
        All weights after the last epoch; the share ``sparsity`` of each pointwise kernel is zero.
    """
    batch = min(protocol.batch, len(data.train.images))
    momentum = batch_norm_momentum(len(data.train.images), batch)
    trainer = Trainer(
        Setting(architecture, (), "", momentum, protocol.momentum, protocol.nesterov, batch)
    )
    trainer.start(weights, seed)
    kernels = [
        trainer.model.get_layer(name.split("/")[0]).kernel for name in weights if prunable(name)
    ]
    masks = [np.ones(kernel.shape, np.float32) for kernel in kernels]
    indices = np.arange(len(data.train.images))
    steps, step = protocol.epochs * (len(indices) // batch), 0
    for epoch in range(1, protocol.epochs + 1):
        for images, labels in training_batches(
            data.train.images, data.train.labels, indices, batch, seed, epoch
        ):
            trainer.train_step(images, labels, learning_rate(protocol, step, steps))
            step += 1
            if step % _EVERY == 0 or step == steps:
                now = sparsity_at(step, steps, sparsity)
                masks = [mask(kernel.numpy(), now) for kernel in kernels]
            for kernel, kept in zip(kernels, masks, strict=True):
                kernel.assign(kernel * kept)  # momentum would bring a pruned weight back
    return trainer.weights()


def measure_pruning(
    study_dir: str | Path,
    like: Sequence[int],
    data: str | Path | None = None,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Prune every baseB of a study to the size of sliced-n, export, measure.

    Parameters
    ----------
    study_dir : path
    like : sequence of int
        The n whose number of weights is the aim.
    data : path or None
        Folder of the study's data set, if it has moved.
    seeds : sequence of int or None
        Of baseB; None: all there are.

    Returns
    -------
    pandas.DataFrame
        The whole of pruning.csv, columns `benchmarks.pruning_table.COLUMNS`.

    Raises
    ------
    UsageError
        If pruning cannot reach the size of a sliced-n.
    TransferError
        If baseB, its weights, the data or a package is missing.
    """
    study_dir = Path(study_dir)
    for name in _FORMATS:
        for package in PACKAGES[name.removesuffix("-int8")]:
            require(package)
    runs = read_runs(study_dir)
    base = runs[(runs["kind"] == "baseB") & (runs["fraction"] == 1.0)]
    names = [r for r, s in zip(base["run"], base["seed"], strict=True) if not seeds or s in seeds]
    finished = [read_finished(study_dir / str(name)) for name in names]
    if not finished:
        raise TransferError(f"Expected baseB in {study_dir}. It has none.")
    dataset = open_data(finished[0], data)
    whole = finished[0].architecture((dataset.height, dataset.width))
    wanted = {n: sparsity_for(whole, _weights_of_slice(whole, n)) for n in like}
    for n, sparsity in wanted.items():
        if sparsity is None:
            raise UsageError(
                f"Pruning pointwise convolutions cannot bring baseB down to sliced-{n}: its other "
                "layers alone hold more weights, or it has fewer. Ask for another n."
            )
    try:
        protocol = Protocol(**read_study(study_dir)["protocol"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(f"Expected a protocol in {study_dir}/study.json.") from error
    trained = {run.run.seed: run.weights() for run in finished}  # what is missing is said at once
    pairs = [(run, n, sparsity) for run in finished for n, sparsity in wanted.items() if sparsity]
    for run, n, sparsity in track(pairs, len(pairs), "pruning"):
        weights = prune(whole, trained[run.run.seed], dataset, protocol, sparsity, run.run.seed)
        for name in _FORMATS:
            row = _row(run, dataset, weights, n, sparsity, name, run is finished[0])
            write_table(study_dir / "pruning.csv", _with_row(study_dir, row))
    return read_pruning(study_dir)


def _weights_of_slice(whole: Architecture, n: int) -> int:
    if not 1 <= n < BLOCKS:
        raise UsageError(f"Expected sliced-n with 1 <= n < {BLOCKS}. Received: n={n}.")
    return file_weights(
        Architecture(n, whole.alpha, whole.input_size, whole.image_size, whole.classes)
    )


def _row(
    finished: Finished,
    data: Dataset,
    weights: Mapping[str, np.ndarray],
    n: int,
    sparsity: float,
    name: str,
    timed: bool,
) -> dict[str, Any]:
    architecture = finished.architecture((data.height, data.width))
    kind, int8 = name.removesuffix("-int8"), name.endswith("-int8")
    zeros = sum(int((value == 0).sum()) for key, value in weights.items() if prunable(key))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"network{SUFFIXES[kind]}"
        facts = {"pruned_to_sparsity": round(sparsity, 4)}
        exported = export_weights(finished, data, weights, out, kind, int8, facts)
        sizes = file_sizes(out)
        median = time_file(out, 1).median_ms if timed else None
    path = exported_path(finished.study_dir, pruned_name(finished.run.name, n), name)
    write_array(path, exported.probabilities.round(4))
    return {
        "run": finished.run.name,
        "seed": finished.run.seed,
        "like": n,
        "format": name,
        "sparsity": sparsity,
        "weights": file_weights(architecture) - zeros,
        "multiply_adds": multiply_adds(architecture),
        **sizes,
        "test_accuracy": float(
            np.mean(exported.probabilities.round(4).argmax(1) == data.test.labels)
        ),
        "median_ms_1": median,
    }


def _with_row(study_dir: Path, row: dict[str, Any]) -> pd.DataFrame:
    """The table pruning.csv with this row in place of an older one."""
    older = read_pruning(study_dir)
    same = (older["run"] == row["run"]) & (older["like"] == row["like"])
    rows = [*older[~(same & (older["format"] == row["format"]))].to_dict("records"), row]
    return pd.DataFrame(rows, columns=list(COLUMNS))
