"""One run, from its name to its row."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.errors import TransferError
from transfer.folding import write_log, write_predictions, write_row
from transfer.machine import machine
from transfer.networks.architecture import Architecture, multiply_adds, parameters
from transfer.networks.network import random_weights
from transfer.networks.transplant import copy_blocks, frozen_layers, frozen_weights
from transfer.networks.weights import hash_weights, read_weights, write_weights
from transfer.results import finished, read_runs, to_repeat, working
from transfer.runs import FROZEN_KINDS, Run
from transfer.study_file import GRAPHS_KEPT, Context, model_path
from transfer.tasks.dataset import Dataset, equals, load_dataset, stratified_fraction
from transfer.training.checkpoint import remove_checkpoint
from transfer.training.evaluation import accuracy, balanced_accuracy, reported_numbers
from transfer.training.loop import Epoch, Images, batch_norm_momentum, fit
from transfer.training.prefix import cached_after, features
from transfer.training.reestimate import reestimate
from transfer.training.step import Setting, Trainer

_EQUALS_SEED = 0  # one balanced test set, the same for every run of every study
_STATISTICS_IMAGES = 512
_dataset = functools.lru_cache(maxsize=2)(load_dataset)
#: Runs of one setting share the traced graph.
_trainer = functools.lru_cache(maxsize=GRAPHS_KEPT)(Trainer)


def architecture_of(run: Run, context: Context, data: Dataset) -> Architecture:
    """The architecture of a run: the whole network unless it is sliced."""
    settings = context.settings
    return Architecture(
        run.depth,
        settings.alpha,
        settings.input_size,
        (data.height, data.width),
        len(data.classes),
        settings.backbone,
    )


def execute(
    run: Run, context: Context, on_epoch: Callable[[list[Epoch]], None] = lambda epochs: None
) -> dict[str, Any]:
    """Train one run and record it: log, test predictions, weights, then its row, which is returned.

    Killed at any instant and called again, it goes on, and ends with the same results.
    """
    began = time.perf_counter()
    data, settings = _dataset(context.data), context.settings
    protocol = settings.protocol
    architecture = architecture_of(run, context, data)
    train_indices = stratified_fraction(data.train.labels, run.fraction, run.seed)
    start = starting_weights(run, context, data, train_indices)
    batch = min(protocol.batch, len(train_indices))
    bn_momentum = batch_norm_momentum(len(train_indices), batch)
    train, valid, test = (split.images for split in (data.train, data.valid, data.test))
    after = cached_after(run, architecture, sum(map(len, (train, valid, test))))
    trainer = _trainer(
        Setting(
            architecture,
            frozen_layers(run, architecture),
            run.bn,
            bn_momentum,
            protocol.momentum,
            protocol.nesterov,
            batch,
            after,
        )
    )
    if after is not None:
        kept = features(working(context.study_dir, "features"), data, architecture, start, after)
        train, valid, test = kept["train"], kept["valid"], kept["test"]
    checkpoint = working(context.study_dir, "checkpoints", f"{run.name}.checkpoint")
    images = Images(train, data.train.labels, train_indices, valid, data.valid.labels)

    def log(epochs: list[Epoch]) -> None:
        write_log(context.study_dir, run.name, epochs)
        on_epoch(epochs)

    progress, weights = fit(trainer, start, images, protocol, run.seed, checkpoint, log, began)
    trained = time.perf_counter()
    audit(run, architecture, start, weights)
    # Rounded first, so that the accuracies are those of the predictions that are kept.
    of_last_epoch = trainer.predict(test).round(4)
    trainer.start(weights, run.seed)
    probabilities = trainer.predict(test).round(4)
    write_log(context.study_dir, run.name, progress.epochs)
    write_predictions(context.study_dir, run.name, probabilities)
    write_weights(model_path(context.study_dir, run), weights, architecture)
    row = {
        "run": run.name,
        **dataclasses.asdict(run),
        "source": settings.source.name if run.needs_base_a and settings.source else "",
        "dataset": settings.dataset,
        "alpha": settings.alpha,
        "input": settings.input,
        "protocol": protocol.name,
        "epochs": len(progress.epochs),
        "best_epoch": progress.best_epoch,
        "val_accuracy": progress.best_accuracy,
        **reported_numbers(probabilities, data.test.labels, equals(data.test.labels, _EQUALS_SEED)),
        "parameters": parameters(architecture),
        "multiply_adds": multiply_adds(architecture),
        "seconds": round(progress.seconds + time.perf_counter() - trained, 2),
        "weights_sha256": hash_weights(weights),
        "train_images": len(train_indices),
        "bn_momentum": bn_momentum,
        "last_val_accuracy": progress.epochs[-1]["val_accuracy"],
        "last_test_accuracy": accuracy(of_last_epoch, data.test.labels),
        "last_test_balanced_accuracy": balanced_accuracy(of_last_epoch, data.test.labels),
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or None,
        "tensorflow": tf.__version__,
        "machine": machine(),
        "backbone": settings.backbone,
    }
    write_row(context.study_dir, row)
    remove_checkpoint(checkpoint)
    return row


def starting_weights(
    run: Run, context: Context, data: Dataset, train_indices: np.ndarray
) -> dict[str, np.ndarray]:
    """All weights of a run before its first step: random, then what is copied from a base."""
    architecture = architecture_of(run, context, data)
    # A stream of its own for baseB: the new layers of BnB must not repeat the initial values that
    # baseB's own upper layers had. All other networks of a seed share theirs.
    weights = random_weights(architecture, run.seed, "baseB" if run.kind == "baseB" else "")
    if run.kind == "RnB":
        chosen = np.random.default_rng([run.seed, 1]).choice(
            train_indices, min(_STATISTICS_IMAGES, len(train_indices)), replace=False
        )
        images = data.train.images[np.sort(chosen)]
        return reestimate(architecture, weights, images, frozen_layers(run, architecture))
    if run.kind == "baseB":
        return weights
    if run.needs_base_a:
        assert context.source_path is not None
        base = read_weights(context.source_path, architecture)
    else:
        (needed,) = run.depends_on
        path = model_path(context.study_dir, needed)
        if not path.exists():
            raise TransferError(
                f"{run.name} copies from {needed.name}, whose weights {path} are not there. "
                f"{to_repeat(context.study_dir, needed.name)}"
            )
        base = read_weights(path, architecture_of(needed, context, data), head=True)
        if finished(context.study_dir, needed) and hash_weights(base) != _recorded(needed, context):
            raise TransferError(
                f"{run.name} copies from {needed.name}, but the weights {path} are not those that "
                f"were trained. {to_repeat(context.study_dir, needed.name)}"
            )
    n = architecture.depth if run.n is None or run.kind == "A@nB" else run.n
    return copy_blocks(weights, base, n, architecture)


def _recorded(run: Run, context: Context) -> str:
    """The hash of the weights of a finished run."""
    return str(read_runs(context.study_dir).set_index("run")["weights_sha256"][run.name])


def audit(
    run: Run,
    architecture: Architecture,
    start: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
) -> None:
    """The freeze audit: every frozen weight is, bit for bit, what it was."""
    if run.kind not in FROZEN_KINDS:
        return
    frozen = frozen_layers(run, architecture)
    before, after = (frozen_weights(w, frozen, run.bn) for w in (start, weights))
    if hash_weights(before) != hash_weights(after):
        moved = [name for name in before if not np.array_equal(before[name], after[name])]
        raise TransferError(f"Freeze audit of {run.name}: {moved[0]} moved. Nothing was recorded.")
