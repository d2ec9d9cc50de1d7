"""Train baseA on the formula-driven source task: how the shipped weights were made.

    python -m benchmarks.source.train OUT.weights.h5 [BACKBONE]

Expected: validation accuracy as noted in ``networks/shipped/README.md``.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.source.fractals import generate
from transfer.networks.backbone import DEFAULT, Architecture, backbone_of
from transfer.runs import Protocol

CLASSES, PER_CLASS, VALIDATION, SEED = 64, 400, 20, 0
PROTOCOL = Protocol("one_cycle", 0.1, 0.9, True, 64, 8)


def train_source(path: Path, backbone: str = DEFAULT) -> float:
    """Train a backbone of its usual width on 64 classes of 380 images, keep the best of 8 epochs.

    Returns the validation accuracy on 20 other images a class.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from transfer.networks.network import random_weights
    from transfer.networks.weights import write_weights
    from transfer.training.loop import Images, batch_norm_momentum, fit, use_deterministic_cpu
    from transfer.training.step import Setting, Trainer

    use_deterministic_cpu(1)
    images, labels = generate(CLASSES, PER_CLASS, 48, 80, SEED)
    held_out = np.arange(len(labels)) % PER_CLASS < VALIDATION
    train = np.flatnonzero(~held_out)
    architecture = Architecture(
        alpha=backbone_of(backbone).alpha or 1.0,
        image_size=(48, 80),
        classes=CLASSES,
        backbone=backbone,
    )
    momentum = batch_norm_momentum(len(train), PROTOCOL.batch)
    trainer = Trainer(
        Setting(architecture, (), "", momentum, PROTOCOL.momentum, True, PROTOCOL.batch)
    )
    with tempfile.TemporaryDirectory() as folder:
        progress, weights = fit(
            trainer,
            random_weights(architecture, SEED),
            Images(images, labels, train, images[held_out], labels[held_out]),
            PROTOCOL,
            SEED,
            Path(folder) / "checkpoint",
            lambda epochs: print(epochs[-1], file=sys.stderr, flush=True),
        )
    write_weights(path, weights, architecture)
    return progress.best_accuracy


if __name__ == "__main__":
    out, *backbones = sys.argv[1:]
    print(f"validation accuracy {train_source(Path(out), *backbones):.3f}")
