"""How much does the accuracy of a network vary over seeds, and what lowers that?

``python -m benchmarks.noise DATA WEIGHTS --epochs 6`` trains baseB and A7B with the ``fast``
protocol and that many epochs, five seeds each, and adds rows to ``results/noise.csv``: balanced
accuracy on the test images with the weights of the best validation epoch, with those of the last
epoch, and with the average of the weights over the last 30 % of the steps, whose BatchNorm
statistics are estimated anew (stochastic weight averaging, Izmailov et al. 2018). What is in the
table is not trained again. Without arguments it prints means and standard deviations.
"""

import argparse
import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.networks.architecture import Architecture
from transfer.networks.network import random_weights
from transfer.networks.transplant import copy_blocks, frozen_layers
from transfer.networks.weights import read_weights
from transfer.runs import PROTOCOLS, Run, parse_run
from transfer.tables import format_number, upsert
from transfer.tasks.dataset import Dataset, load_dataset
from transfer.training.checkpoint import remove_checkpoint
from transfer.training.evaluation import accuracy, balanced_accuracy
from transfer.training.loop import Images, batch_norm_momentum, fit, use_deterministic_cpu
from transfer.training.prefix import features
from transfer.training.reestimate import reestimate
from transfer.training.step import Setting, Trainer

RESULTS = Path(__file__).parent / "results" / "noise.csv"
KEYS = ("dataset", "network", "epochs", "seed", "weights")
AVERAGED = 0.3  #: share of the steps, the last ones, whose weights are averaged
_STATISTICS_IMAGES = 512


class Averaging(Trainer):
    """A trainer that also keeps the mean of its weights over the last steps."""

    def begin(self, steps: int) -> None:
        """Forget the mean; it is taken over the last 30 % of ``steps``."""
        self.steps, self.done = steps, 0
        self.mean: dict[str, np.ndarray] = {}

    def train_step(
        self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float
    ) -> tuple[float, float]:
        """As of the base class."""
        result = super().train_step(inputs, labels, learning_rate)
        self.done += 1
        number = self.done - round((1 - AVERAGED) * self.steps)
        if number > 0:
            for name, value in self.weights().items():
                mean = self.mean.get(name, np.zeros_like(value))
                self.mean[name] = mean + (value - mean) / number
        return result


def measure(data: Dataset, weights: Path, run: Run, epochs: int, folder: Path) -> pd.DataFrame:
    """One run, and a row for each of its three sets of weights."""
    began = time.perf_counter()
    protocol = replace(PROTOCOLS["fast"], epochs=epochs)
    architecture = Architecture(image_size=(data.height, data.width), classes=len(data.classes))
    start = random_weights(architecture, run.seed, "baseB" if run.kind == "baseB" else "")
    train, valid, test = (split.images for split in (data.train, data.valid, data.test))
    if run.n is not None:
        start = copy_blocks(start, read_weights(weights, architecture), run.n, architecture)
        kept = features(folder, data, architecture, start, run.n)
        train, valid, test = kept["train"], kept["valid"], kept["test"]
    indices = np.arange(len(train))
    images = Images(train, data.train.labels, indices, valid, data.valid.labels)
    trainer = Averaging(
        Setting(
            architecture,
            frozen_layers(run, architecture),
            run.bn,
            batch_norm_momentum(len(indices), protocol.batch),
            protocol.momentum,
            protocol.nesterov,
            protocol.batch,
            run.n,
        )
    )
    trainer.begin(epochs * (len(indices) // protocol.batch))
    checkpoint = folder / "checkpoint"
    progress, best = fit(
        trainer, start, images, protocol, run.seed, checkpoint, lambda epochs: None
    )
    remove_checkpoint(checkpoint)
    drawn = np.random.default_rng(run.seed).choice(indices, _STATISTICS_IMAGES, replace=False)
    trained = {layer.name for layer in trainer.model.layers} - set(frozen_layers(run, architecture))
    averaged = {**trainer.weights(), **trainer.mean}
    averaged = reestimate(architecture, averaged, data.train.images[np.sort(drawn)], trained)
    rows = []
    for kind, chosen in (("best", best), ("last", trainer.weights()), ("averaged", averaged)):
        trainer.start(chosen, run.seed)
        probabilities = trainer.predict(test)
        rows.append(
            {
                "dataset": data.name,
                "network": run.network,
                "epochs": epochs,
                "seed": run.seed,
                "weights": kind,
                "accuracy": accuracy(probabilities, data.test.labels),
                "balanced_accuracy": balanced_accuracy(probabilities, data.test.labels),
                "best_epoch": progress.best_epoch,
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds, in points, of baseB, A7B and their difference.

    ``sd_difference`` is that of A7B minus baseB of the same seed; ``correlation`` that of the two.
    """
    points = table.assign(points=100 * table["balanced_accuracy"]).pivot_table(
        index=["dataset", "weights", "epochs", "seed"], columns="network", values="points"
    )
    rows = []
    for key, seeds in points.groupby(level=["dataset", "weights", "epochs"]):
        row = dict(zip(("dataset", "weights", "epochs"), key, strict=True))
        for network in ("baseB", "A7B"):
            values = seeds.get(network, pd.Series(dtype=float)).dropna()
            row |= {f"{network}_seeds": len(values), f"{network}_mean": values.mean()}
            row |= {f"{network}_sd": values.std()}
        both = seeds.dropna()
        if len(both) > 2:
            row["sd_difference"] = (both["A7B"] - both["baseB"]).std()
            row["correlation"] = both["A7B"].corr(both["baseB"])
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Train what is missing, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder of a data set")
    parser.add_argument("weights", nargs="?", type=Path, help="ImageNet's weights, alpha 0.25")
    parser.add_argument("--epochs", type=int, default=PROTOCOLS["fast"].epochs)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--networks", nargs="+", default=["baseB", "A7B"])
    parser.add_argument("--table", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.data is None:
        print(summary(pd.read_csv(chosen.table)).to_string(index=False, float_format="%.2f"))
        return
    use_deterministic_cpu(1)
    data = load_dataset(chosen.data)
    with tempfile.TemporaryDirectory() as folder:
        for seed, network in itertools.product(range(chosen.seeds), chosen.networks):
            run = parse_run(f"{network}_s{seed}")
            if _is_there(chosen.table, data.name, run, chosen.epochs):
                continue
            rows = measure(data, chosen.weights, run, chosen.epochs, Path(folder))
            upsert(chosen.table, rows, KEYS)
            print(rows.to_string(index=False, float_format=format_number), flush=True)


def _is_there(table: Path, dataset: str, run: Run, epochs: int) -> bool:
    if not table.exists():
        return False
    rows = pd.read_csv(table)
    finished = rows[["dataset", "network", "epochs", "seed"]].itertuples(index=False, name=None)
    return (dataset, run.network, epochs, run.seed) in set(finished)


if __name__ == "__main__":
    main()
