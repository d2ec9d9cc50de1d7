"""Cut the network, make it narrower, or prune its weights: which is the most accurate at a size?

``python -m benchmarks.pruning STUDY --like 7,10`` prunes every baseB of a study to as many weights
as sliced-7 and sliced-10 have, and writes size, latency and accuracy to ``STUDY/pruning.csv``.
Without ``--like`` it compares what the table holds. ``--beside`` names measured studies of a
smaller alpha: their baseB is the narrower network.

Unstructured, iterative and gradual with training between (Han et al. 2015, "Learning both weights
and connections"), along the cubic schedule of Zhu and Gupta 2017 ("To prune, or not to prune",
equation 1). As there, every pruned layer gets the same sparsity, and in MobileNet only pointwise
convolutions are pruned: stem and depthwise convolutions hold few weights.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.deploy.costs.measure import file_sizes, weight_bytes
from transfer.deploy.costs.pareto import right_of_file, right_of_files
from transfer.deploy.costs.stopwatch import time_file
from transfer.deploy.costs.table import on_all_images, read_costs, write_exported
from transfer.deploy.export.open import Finished, open_data, read_finished
from transfer.deploy.export.write import export_weights
from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, multiply_adds, weight_shapes
from transfer.progress import track
from transfer.results import read_runs, read_test_labels
from transfer.runs import BLOCKS, Protocol, parse_runs
from transfer.statistics.accuracies import measure
from transfer.statistics.comparison import image_clusters
from transfer.statistics.differences import difference
from transfer.statistics.seeds import seed_variance
from transfer.study_file import read_settings
from transfer.tables import read_table, upsert
from transfer.tasks.dataset import Dataset
from transfer.training.loop import batch_norm_momentum, learning_rate, training_batches
from transfer.training.step import Setting, Trainer

#: ``like``: the n of the sliced-n whose size it was pruned to; ``weights``: those left in the
#: file, BatchNorm folded in; ``median_ms_1``: latency, timed once for all seeds.
COLUMNS = (
    *("run", "seed", "like", "format", "sparsity", "weights", "multiply_adds", "file_bytes"),
    *("gzip_bytes", "test_accuracy", "median_ms_1"),
)
_COUNTS = ("seed", "like", "weights", "multiply_adds", "file_bytes", "gzip_bytes")
_FORMAT = "litert"
_RAMP = 2 / 3  #: share of the steps in which sparsity rises; in the rest weights recover
_EVERY = 10  #: steps between two prunings


def prunable(name: str) -> bool:
    """Whether magnitude pruning may touch this weight (``layer/weight``)."""
    return name.startswith("conv_pw_") and name.endswith("/kernel")


def file_weights(architecture: Architecture) -> int:
    """Weights in an exported file: kernels and one bias a channel, BatchNorm folded into them."""
    return weight_bytes(architecture, _FORMAT) // 4


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


def measure_pruning(study_dir: Path, like: Sequence[int], data: Path | None = None) -> None:
    """Prune every baseB of a study to the size of each sliced-n, and write ``pruning.csv``.

    Raises
    ------
    TransferError
        If pruning cannot reach a size, or baseB, its weights, the data or a package is missing.
    """
    runs = read_runs(study_dir)
    base = runs[(runs["kind"] == "baseB") & (runs["fraction"] == 1.0)]
    finished = [read_finished(study_dir / str(name)) for name in base["run"]]
    if not finished:
        raise TransferError(f"Expected baseB in {study_dir}. It has none.")
    dataset = open_data(finished[0], data)
    whole = finished[0].architecture((dataset.height, dataset.width))
    sparsities = {n: _sparsity_of(whole, n) for n in like}
    protocol = read_settings(study_dir).protocol
    trained = {run.run.seed: run.weights() for run in finished}  # what is missing is said at once
    pairs = [(run, n) for run in finished for n in like]
    for run, n in track(pairs, len(pairs), "pruning"):
        seed = run.run.seed
        weights = prune(whole, trained[seed], dataset, protocol, sparsities[n], seed)
        row = _measured(run, dataset, weights, n, sparsities[n], run is finished[0])
        rows = pd.DataFrame([row], columns=list(COLUMNS))
        upsert(study_dir / "pruning.csv", rows, ("run", "like", "format"))


def _sparsity_of(whole: Architecture, n: int) -> float:
    if not 1 <= n < BLOCKS:
        raise TransferError(f"Expected sliced-n with 1 <= n < {BLOCKS}. Received: n={n}.")
    cut = Architecture(n, whole.alpha, whole.input_size, whole.image_size, whole.classes)
    sparsity = sparsity_for(whole, file_weights(cut))
    if sparsity is None:
        raise TransferError(
            f"Pruning pointwise convolutions cannot bring baseB down to sliced-{n}: its other "
            "layers alone hold more weights. Ask for a larger n."
        )
    return sparsity


def _measured(
    finished: Finished,
    data: Dataset,
    weights: Mapping[str, np.ndarray],
    n: int,
    sparsity: float,
    timed: bool,
) -> dict[str, Any]:
    """A row of ``pruning.csv``; the file's predictions are kept beside those of other files."""
    zeros = sum(int((value == 0).sum()) for key, value in weights.items() if prunable(key))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "network.tflite"
        facts = {"pruned_to_sparsity": round(sparsity, 4)}
        exported = export_weights(finished, data, weights, out, _FORMAT, False, facts)
        sizes = file_sizes(out)
        median = time_file(out, 1).median_ms if timed else None
    probabilities = exported.probabilities.round(4)
    name = pruned_name(finished.run.name, n)
    write_exported(finished.study_dir, name, _FORMAT, probabilities)
    architecture = finished.architecture((data.height, data.width))
    return {
        "run": finished.run.name,
        "seed": finished.run.seed,
        "like": n,
        "format": _FORMAT,
        "sparsity": sparsity,
        "weights": file_weights(architecture) - zeros,
        "multiply_adds": multiply_adds(architecture),
        **sizes,
        "test_accuracy": float(np.mean(probabilities.argmax(1) == data.test.labels)),
        "median_ms_1": median,
    }


def pruned_name(run: str, like: int) -> str:
    """What the predictions of a pruned network are kept under."""
    return f"{run}.like-sliced-{like}"


def read_pruning(study_dir: Path) -> pd.DataFrame:
    """``pruning.csv``, columns `COLUMNS`; no rows if nothing was pruned.

    Raises
    ------
    TransferError
        If the table is not one of ours.
    """
    path = study_dir / "pruning.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    numbers = dict.fromkeys(set(COLUMNS) - {"run", "format"}, float)
    frame = read_table(path, COLUMNS, {**numbers, **dict.fromkeys(_COUNTS, int)})
    parse_runs(frame["run"], path)  # they become parts of paths
    return frame


_COSTS = ("weights", "multiply_adds", "gzip_bytes")


def compare(study_dir: Path, beside: Sequence[Path] = ()) -> pd.DataFrame:
    """Sliced-n, baseB pruned to its size, and narrower networks, on the same test images.

    Returns
    -------
    pandas.DataFrame
        One row an n and network: ``like`` (that n), ``network``, ``seeds``, ``weights``,
        ``multiply_adds``, ``gzip_bytes``, ``median_ms``, balanced ``accuracy``, and its accuracy
        minus that of sliced-n: ``minus`` with ``low`` and ``high`` (two-sided 95 %).

    Raises
    ------
    TransferError
        If a table or a file of predictions is missing or damaged.
    """
    labels = read_test_labels(study_dir)
    pruned = read_pruning(study_dir)
    pruned = pruned[pruned["format"] == _FORMAT]
    costs = _costs(study_dir)
    narrower = [(folder, _costs(folder).query("kind == 'baseB'")) for folder in beside]
    lines = []
    for like, of_size in pruned.groupby("like"):
        sliced = costs[(costs["kind"] == "sliced") & (costs["n"] == like)]
        if sliced.empty:
            continue
        networks = {"sliced-n": (sliced, right_of_files(study_dir, _FORMAT, sliced, labels))}
        for folder, rows in narrower:
            right = right_of_files(folder, _FORMAT, rows, labels)
            networks[f"baseB, alpha {rows['alpha'].max():g}"] = rows, right
        kept = [
            right_of_file(study_dir, pruned_name(str(run), int(like)), _FORMAT, accuracy, labels)
            for run, accuracy in zip(of_size["run"], of_size["test_accuracy"], strict=True)
        ]
        networks["baseB, pruned"] = of_size, np.array(kept)
        accuracies = measure(
            [right for _, right in networks.values()],
            labels,
            image_clusters(study_dir),
            int(labels.max()) + 1,
        )
        places = np.arange(len(networks))
        seen = difference(accuracies, seed_variance(accuracies.by_seed), places, 0)
        low, high = seen.interval()
        for place, (network, (rows, _)) in enumerate(networks.items()):
            line: dict[str, object] = {"like": like, "network": network, "seeds": len(rows)}
            line |= {
                name: rows[name].iloc[0] for name in ("weights", "multiply_adds", "gzip_bytes")
            }
            line |= {"median_ms": rows["median_ms_1"].median(), "accuracy": accuracies.mean[place]}
            against = (seen.estimate[place], low[place], high[place]) if place else (np.nan,) * 3
            lines.append(line | dict(zip(("minus", "low", "high"), against, strict=True)))
    return pd.DataFrame(lines)


def _costs(study_dir: Path) -> pd.DataFrame:
    costs = read_costs(study_dir)
    costs = on_all_images(costs[costs["format"] == _FORMAT])
    return costs.assign(weights=costs["weight_bytes"] // 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prune if ``--like`` asks for it, then print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pruning", description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--like", default="", metavar="N", help="n of sliced-n, e.g. 7,10")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the study's data, if moved")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], metavar="STUDY")
    options = parser.parse_args(arguments)
    try:
        if options.like:
            like = [int(n) for n in options.like.split(",")]
            measure_pruning(options.study, like, options.data)
        table = compare(options.study, options.beside)
    except (TransferError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
