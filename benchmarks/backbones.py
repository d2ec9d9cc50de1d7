"""A training step of ours beside plain Keras ``fit``, for several backbones.

    python -m benchmarks.backbones

Each backbone is a process of its own with one thread, where both train the same network on the
same random images (48x80, batch 64) in turns, oneDNN on for both. What is compared is processor
time, which other work on the machine hardly changes; wall time is written beside it. Writes
``results/backbones.csv``.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.steps import HERE, machine
from transfer.files import write_atomically
from transfer.networks.backbone import BACKBONES, Architecture
from transfer.tables import format_number

MEASURED = ("mobilenet", "mobilenet_v2", "efficientnet_b0")
_BATCH, _BATCHES, _TURNS = 64, 8, 7


def measure(name: str) -> dict[str, float]:
    """Median seconds of an epoch of 8 batches, ours and Keras', and the median ratio of a turn."""
    import keras
    import tensorflow as tf

    from transfer.networks.network import build, random_weights
    from transfer.networks.transplant import with_keras_layers
    from transfer.training.loop import use_deterministic_cpu
    from transfer.training.step import Setting, Trainer

    use_deterministic_cpu(1)
    width = BACKBONES[name].alpha or 1.0
    architecture = Architecture(alpha=width, image_size=(48, 80), backbone=name)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_BATCHES * _BATCH, 48, 80, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, len(images)).astype(np.int32)
    trainer = Trainer(Setting(architecture, (), "", 0.9, 0.9, False, _BATCH))
    trainer.start(random_weights(architecture, 0), 0)
    plain = with_keras_layers(build(architecture))
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    plain.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(_BATCH).prefetch(2)

    def ours() -> None:
        for first in range(0, len(images), _BATCH):
            batch = slice(first, first + _BATCH)
            trainer.train_step(images[batch], labels[batch], 0.01)

    def theirs() -> None:
        plain.fit(data, verbose=0)

    for once in (ours, theirs):
        once()  # tracing
    turns = np.array([[*_seconds(ours), *_seconds(theirs)] for _ in range(_TURNS)])
    names = ("ours_cpu", "ours_wall", "keras_cpu", "keras_wall")
    medians = dict(zip(names, np.median(turns, axis=0).tolist(), strict=True))
    ratios = {
        "ratio_cpu": float(np.median(turns[:, 2] / turns[:, 0])),
        "ratio_wall": float(np.median(turns[:, 3] / turns[:, 1])),
    }
    return {"alpha": width, **medians, **ratios}


def _seconds(epoch: Callable[[], None]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    epoch()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Measure every backbone in a process of its own and write the table."""
    variables = {"TF_ENABLE_ONEDNN_OPTS": "1", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    rows = []
    for name in MEASURED:
        command = [sys.executable, "-m", "benchmarks.backbones", name]
        environment = {**os.environ, **variables, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, cwd=HERE.parent
        )
        rows.append({"backbone": name, **json.loads(done.stdout.splitlines()[-1])})
    table = pd.DataFrame(rows).assign(batches=_BATCHES, turns=_TURNS, machine=machine())
    text = table.to_csv(index=False, float_format=format_number, lineterminator="\n")
    write_atomically(Path(HERE) / "results" / "backbones.csv", text)
    print(table.drop(columns="machine").to_string(index=False))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
