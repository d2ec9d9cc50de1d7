"""Our training step, fed by our batches."""

from work import BATCH, CLASSES, SIZE, arguments, images_and_labels, report

ALPHA, THREADS, SECONDS = arguments()

import numpy as np  # noqa: E402 - threads are set before libraries start

from transfer.networks.architecture import Architecture, parameters  # noqa: E402
from transfer.networks.network import random_weights  # noqa: E402
from transfer.training.loop import training_batches, use_deterministic_cpu  # noqa: E402
from transfer.training.step import Setting, Trainer  # noqa: E402

use_deterministic_cpu(THREADS)
images, labels = images_and_labels()
architecture = Architecture(alpha=ALPHA, input_size=SIZE, classes=CLASSES)
trainer = Trainer(Setting(architecture, (), "", 0.9, 0.9, False, BATCH))
trainer.start(random_weights(architecture, 0), 0)
everything = np.arange(len(images))


def epoch() -> None:
    for batch, answers in training_batches(images, labels, everything, BATCH, 0, 1):
        trainer.train_step(batch, answers, 0.01)


report(epoch, SECONDS, parameters(architecture))
