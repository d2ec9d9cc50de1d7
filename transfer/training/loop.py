"""Train a network: epochs, learning rate, early stopping, the best epoch kept, exact resume."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from transfer.errors import TransferError
from transfer.networks.architecture import Weights
from transfer.runs import Protocol
from transfer.training.checkpoint import read_checkpoint, write_checkpoint
from transfer.training.evaluation import accuracy, cross_entropy
from transfer.training.step import Trainer

Epoch = dict[str, float]


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of 0..count-1, int64, the same wherever (seed, epoch, count) is the same."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    images: np.ndarray, labels: np.ndarray, indices: np.ndarray, batch: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of one epoch: uint8 (batch, H, W, 3) and int32 (batch,).

    An incomplete last batch is left out: BatchNorm on a handful of images is noise, and which
    images are left out changes from epoch to epoch.
    """
    order = indices[epoch_order(seed, epoch, len(indices))]
    for start in range(0, len(order) - batch + 1, batch):
        chosen = np.sort(order[start : start + batch])  # ascending: kinder to a memory map
        yield images[chosen], labels[chosen].astype(np.int32)


@dataclass(frozen=True)
class Images:
    """What a run trains on and is validated on; features of a prefix may stand for images."""

    train_images: np.ndarray
    train_labels: np.ndarray
    train_indices: np.ndarray  #: int64, the training images used
    valid_images: np.ndarray
    valid_labels: np.ndarray


@dataclass
class Progress:
    """Where training stands; together with the trainer's state all there is to resume."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_accuracy: float = -1.0
    waited: int = 0  #: epochs since validation accuracy last rose by min_delta
    awaited: float = -1.0  #: validation accuracy that early stopping compares with
    seconds: float = 0.0  #: of all attempts, up to the last finished epoch of each


def use_deterministic_cpu(threads: int) -> None:
    """Fix threads and turn on deterministic operations; before anything else of TensorFlow."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.constant(0)  # start the runtime here and now
    tf.get_logger().setLevel("ERROR")  # a graph a setting is intended, not a mistake


def learning_rate(protocol: Protocol, step: int, steps: int) -> float:
    """Learning rate at a step (0-based) of ``steps`` in all; see `Protocol.schedule`."""
    if protocol.schedule == "inverse_time":
        return protocol.learning_rate / (1.0 + protocol.decay * step)
    rising = 0.3 * steps
    if step < rising:
        return protocol.learning_rate * (0.1 + 0.9 * step / rising)
    falling = (step - rising) / max(steps - rising, 1.0)
    return protocol.learning_rate * 0.5 * (1.0 + math.cos(math.pi * falling))


def batch_norm_momentum(images: int, batch: int) -> float:
    """Momentum of the moving statistics: a memory of about a fifth of an epoch, 0.8 to 0.99.

    Keras' 0.99 forgets its start after 500 steps: on small data, early stopping ends too soon.
    """
    return round(min(0.99, max(0.8, 1.0 - 5.0 / max(images // batch, 1))), 4)


def fit(
    trainer: Trainer,
    start: Weights,
    images: Images,
    protocol: Protocol,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[list[Epoch]], None],
    attempt_began: float | None = None,
) -> tuple[Progress, dict[str, np.ndarray]]:
    """Train from ``start``, or go on from the checkpoint, which is written after every epoch.

    Returns progress, and the weights of the best validation epoch (of equal ones, the latest); the
    trainer then holds those of the last epoch. ``attempt_began``: by ``time.perf_counter()``.
    """
    attempt_began = time.perf_counter() if attempt_began is None else attempt_began
    progress, best = _resume(trainer, start, seed, checkpoint)
    earlier_attempts = progress.seconds
    if len(images.train_indices) < trainer.setting.batch:
        raise TransferError(
            f"Expected at least one batch of {trainer.setting.batch} training images. "
            f"Received: {len(images.train_indices)} images; give more, or a smaller --batch."
        )
    while not _complete(progress, protocol):
        epoch = len(progress.epochs) + 1
        began = time.perf_counter()
        logged = _train_epoch(trainer, images, protocol, seed, epoch)
        probabilities = trainer.predict(images.valid_images)
        if not np.isfinite(probabilities).all():  # the last step, whose loss is not seen
            raise _diverged(protocol, epoch)
        logged["val_loss"] = cross_entropy(probabilities, images.valid_labels)
        logged["val_accuracy"] = accuracy(probabilities, images.valid_labels)
        logged["seconds"] = time.perf_counter() - began
        progress.epochs.append(logged)
        if _judge(progress, protocol):
            best = trainer.weights()
        progress.seconds = earlier_attempts + time.perf_counter() - attempt_began
        arrays = {**trainer.state(), **{f"best/{name}": value for name, value in best.items()}}
        write_checkpoint(checkpoint, arrays, vars(progress))
        on_epoch(progress.epochs)
    return progress, best


def _train_epoch(
    trainer: Trainer, images: Images, protocol: Protocol, seed: int, epoch: int
) -> Epoch:
    losses, accuracies, rate = [], [], 0.0
    steps_per_epoch = len(images.train_indices) // trainer.setting.batch
    batches = training_batches(
        images.train_images,
        images.train_labels,
        images.train_indices,
        trainer.setting.batch,
        seed,
        epoch,
    )
    first = (epoch - 1) * steps_per_epoch
    for step, (batch, labels) in enumerate(batches, start=first):
        rate = learning_rate(protocol, step, protocol.epochs * steps_per_epoch)
        loss, share = trainer.train_step(batch, labels, rate)
        losses.append(loss)
        accuracies.append(share)
    if not np.isfinite(losses).all():
        raise _diverged(protocol, epoch)
    return {
        "epoch": epoch,
        "loss": float(np.mean(losses)),
        "accuracy": float(np.mean(accuracies)),
        "learning_rate": rate,
    }


def _diverged(protocol: Protocol, epoch: int) -> TransferError:
    return TransferError(
        f"The loss is no longer finite in epoch {epoch}: the learning rate "
        f"{protocol.learning_rate:g} is too high for this network and data."
    )


def _judge(progress: Progress, protocol: Protocol) -> bool:
    """Bring early stopping and the best epoch up to date; True if the newest is the best."""
    newest = progress.epochs[-1]["val_accuracy"]
    if newest > progress.awaited + protocol.min_delta:
        progress.awaited, progress.waited = newest, 0
    else:
        progress.waited += 1
    if newest < progress.best_accuracy:
        return False
    progress.best_accuracy, progress.best_epoch = newest, len(progress.epochs)
    return True


def _complete(progress: Progress, protocol: Protocol) -> bool:
    stopped = protocol.patience is not None and progress.waited >= protocol.patience
    return stopped or len(progress.epochs) >= protocol.epochs


def _resume(
    trainer: Trainer, start: Weights, seed: int, checkpoint: Path
) -> tuple[Progress, dict[str, np.ndarray]]:
    found = read_checkpoint(checkpoint)
    if found is None:
        trainer.start(start, seed)
        return Progress(), {}
    arrays, facts = found
    try:
        best = {k.removeprefix("best/"): v for k, v in arrays.items() if k.startswith("best/")}
        trainer.restore({k: v for k, v in arrays.items() if not k.startswith("best/")})
        return Progress(**facts), best
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            f"Expected a checkpoint of this network in {checkpoint}. It is of another: delete it "
            "to train from the start."
        ) from error
