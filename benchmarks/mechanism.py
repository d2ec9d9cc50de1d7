"""Why AnB falls under ``legacy``: does the fall follow from the BatchNorm statistics alone?

``python -m benchmarks.mechanism STUDY ...`` takes the finished AnB and BnB networks of a study that
were trained with ``legacy`` BatchNorm, changes nothing but the moving statistics of their frozen
layers, and adds rows to ``results/mechanism.csv``:

- **Dose and response**: ``share`` 0 are the statistics that the frozen layers brought along, 1
  those of 512 training images of the target, without labels (Li et al. 2016, "Revisiting Batch
  Normalization For Practical Domain Adaptation"). Between them both moments are interpolated.
- **Distance**: how far the two are apart, the mean over the channels of all frozen layers of the
  divergence KL(target || brought) of two normal distributions with these moments, in nats.

Networks are those that the study keeps. Weights are not under version control: train first.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.deploy.export.open import open_data, read_finished
from transfer.deploy.export.write import chosen_images
from transfer.networks.transplant import frozen_layers
from transfer.progress import track
from transfer.results import on_all_images, read_runs
from transfer.study_file import read_settings
from transfer.tables import upsert
from transfer.tasks.dataset import Dataset
from transfer.training.evaluation import balanced_accuracy
from transfer.training.reestimate import reestimate
from transfer.training.step import Setting, Trainer

RESULTS = Path(__file__).parent / "results" / "mechanism.csv"
SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
_IMAGES = 512
_EPSILON = 1e-3  #: of every BatchNorm of MobileNet v1


def divergence(
    mean: np.ndarray, variance: np.ndarray, other_mean: np.ndarray, other_variance: np.ndarray
) -> np.ndarray:
    """KL(N(mean, variance) || N(other_mean, other_variance)), a channel each, in nats."""
    ratio = variance / other_variance
    shift = (mean - other_mean) ** 2 / other_variance
    return (ratio + shift - 1 - np.log(ratio)) / 2


def measure(study: Path, name: str, data: Dataset, images: np.ndarray) -> pd.DataFrame:
    """One network with the statistics of its frozen layers moved, a row a share."""
    finished = read_finished(study / name)
    run, brought = finished.run, finished.weights()
    architecture = finished.architecture((data.height, data.width))
    frozen = frozen_layers(run, architecture)
    target = reestimate(architecture, brought, images, frozen)
    moments = [(f"{layer}/moving_mean", f"{layer}/moving_variance") for layer in frozen]
    distances = [
        divergence(target[m], target[v] + _EPSILON, brought[m], brought[v] + _EPSILON)
        for m, v in moments
        if m in brought
    ]
    trainer = Trainer(Setting(architecture, (), "", 0.99, 0.0, False, 1))
    rows = []
    for share in SHARES:
        mixed = {
            key: (1 - share) * value + share * target[key] if "/moving_" in key else value
            for key, value in brought.items()
        }
        trainer.start(mixed, seed=0)
        rows.append((share, balanced_accuracy(trainer.predict(data.test.images), data.test.labels)))
    table = pd.DataFrame(rows, columns=["share", "balanced_accuracy"])
    table["distance"] = float(np.concatenate(distances).mean())
    return table.assign(run=run.name, kind=run.kind, n=run.n, seed=run.seed)


def main() -> None:
    """Measure the networks of the studies given that are not in the table yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+", type=Path, help="folders of studies")
    parser.add_argument("--table", type=Path, default=RESULTS)
    given = parser.parse_args()
    for study in given.studies:
        settings = read_settings(study)
        assert settings.source is not None
        runs = on_all_images(read_runs(study))
        base = runs.loc[runs["kind"] == "baseB", "test_balanced_accuracy"].mean()
        runs = runs[runs["kind"].isin(["AnB", "BnB"]) & (runs["bn"] == "legacy")]
        names = list(runs["run"])
        data = open_data(read_finished(study / names[0]))
        images = chosen_images(data, _IMAGES)
        for name in track(names, len(names), "measuring"):
            table = measure(study, name, data, images)
            table.insert(0, "study", study.name)
            table.insert(1, "source", Path(settings.source.name).stem)
            table["base"] = base
            upsert(given.table, table.round(6), ("study", "run"))


if __name__ == "__main__":
    main()
