"""Thirteen AnB networks, three epochs each, features of the frozen blocks computed once."""

from work import BATCH, CLASSES, EPOCHS, SIZE, arguments, images_and_labels, report_frozen

ALPHA, THREADS, _ = arguments()

import tempfile  # noqa: E402 - threads are set before libraries start
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from transfer.networks.architecture import Architecture  # noqa: E402
from transfer.networks.network import random_weights  # noqa: E402
from transfer.networks.transplant import frozen_layers  # noqa: E402
from transfer.runs import BLOCKS, Run  # noqa: E402
from transfer.tasks.dataset import Dataset, Split  # noqa: E402
from transfer.training.loop import training_batches, use_deterministic_cpu  # noqa: E402
from transfer.training.prefix import cached_after, features  # noqa: E402
from transfer.training.step import Setting, Trainer  # noqa: E402

use_deterministic_cpu(THREADS)
images, labels = images_and_labels()
few = Split(images[:BATCH], labels[:BATCH])
data = Dataset(Path(), "random", 45, 80, ("a", "b", "c"), Split(images, labels), few, few)
architecture = Architecture(alpha=ALPHA, input_size=SIZE, classes=CLASSES)
weights = random_weights(architecture, 0)
everything = np.arange(len(images))


def seconds(n: int, folder: Path) -> float:
    """Of features, if they pay, and three epochs; tracing is not counted, for no peer."""
    run = Run("AnB", n, bn="inference")
    after = cached_after(run, architecture, len(images))
    trainer = Trainer(
        Setting(
            architecture, frozen_layers(run, architecture), run.bn, 0.9, 0.9, False, BATCH, after
        )
    )
    trainer.start(weights, 0)
    start = time.perf_counter()
    inputs = images
    if after is not None:
        inputs = features(folder, data, architecture, weights, after)["train"]
    taken = time.perf_counter() - start
    trainer.train_step(inputs[:BATCH], labels[:BATCH].astype(np.int32), 0.01)
    start = time.perf_counter()
    for epoch in range(EPOCHS):
        for batch, answers in training_batches(inputs, labels, everything, BATCH, 0, epoch):
            trainer.train_step(batch, answers, 0.01)
    return taken + time.perf_counter() - start


with tempfile.TemporaryDirectory() as temporary:
    report_frozen([seconds(n, Path(temporary)) for n in range(1, BLOCKS + 1)])
