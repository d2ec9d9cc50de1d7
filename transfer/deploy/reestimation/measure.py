"""What accuracy gains if BatchNorm statistics are estimated on target images, untrained."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.deploy.export.open import Finished, open_data, read_finished
from transfer.deploy.export.write import chosen_images
from transfer.deploy.reestimation.table import COLUMNS, read_reestimation
from transfer.errors import TransferError
from transfer.files import sha256_of
from transfer.networks.architecture import Weights
from transfer.networks.backbone import Architecture
from transfer.networks.sources import find_source
from transfer.networks.transplant import frozen_layers
from transfer.networks.weights import read_weights
from transfer.progress import track
from transfer.results import on_all_images, read_runs
from transfer.scores.measure import measure_scores
from transfer.scores.representation import batch_size, feature_function
from transfer.study_file import read_settings
from transfer.tables import upsert
from transfer.tasks.dataset import Dataset
from transfer.training.evaluation import accuracy
from transfer.training.reestimate import reestimate
from transfer.training.step import Setting, Trainer

IMAGES = 512


def measure_reestimation(
    study_dir: str | Path,
    runs: Sequence[str] | None = None,
    images: int = IMAGES,
    source: str | None = None,
    data: str | Path | None = None,
) -> pd.DataFrame:
    """Test accuracy of finished runs with statistics as trained and re-estimated.

    Of the frozen layers alone (rows ``frozen``), and of all (rows ``all``). With ``source``, that
    of the study, there is a row ``probe`` for each block of baseA: the validation accuracy of a
    ridge probe, with the source's statistics and with the target's.
    """
    study_dir = Path(study_dir)
    table = read_runs(study_dir)
    names = list(on_all_images(table)["run"] if runs is None else runs)
    finished = [read_finished(study_dir / name) for name in names]
    if not finished:
        raise TransferError(f"Expected finished runs in {study_dir}. There are none.")
    dataset = open_data(finished[0], data)
    chosen = chosen_images(dataset, images)
    base_a = None if source is None else _source(finished[0], source)
    path = study_dir / "reestimation.csv"
    for run in track(finished, len(finished), "re-estimating"):
        # Written after every run: what is measured stays if the next one fails.
        upsert(path, _table(_rows(run, dataset, chosen)), ("run",))
    if base_a is not None:
        upsert(path, _table(_probe(finished[0], dataset, chosen, base_a)), ("run",))
    return read_reestimation(path)


def _table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype({"n": "Int64"})


def _rows(finished: Finished, data: Dataset, images: np.ndarray) -> Iterator[dict[str, Any]]:
    run, weights = finished.run, finished.weights()
    architecture = finished.architecture((data.height, data.width))
    network = _network(architecture)

    def measured(weights: Weights) -> float:
        network.start(weights, seed=0)
        return accuracy(network.predict(data.test.images), data.test.labels)

    before = measured(weights)
    named: dict[str, Any] = {"run": run.name, "kind": run.kind, "n": run.n, "bn": run.bn}
    named |= {"seed": run.seed, "images": len(images), "split": "test", "before": before}
    if frozen := frozen_layers(run, architecture):
        again = reestimate(architecture, weights, images, frozen)
        yield {**named, "layers": "frozen", "after": measured(again)}
    again = reestimate(architecture, weights, images)
    yield {**named, "layers": "all", "after": measured(again)}


@functools.lru_cache(maxsize=2)
def _network(architecture: Architecture) -> Trainer:
    """Runs of one architecture share the compiled graph; nothing is trained."""
    return Trainer(Setting(architecture, (), "", 0.99, 0.0, False, 1))


def _source(finished: Finished, source: str) -> Path:
    """The weight file of the study's own source."""
    name, path = find_source(source, finished.settings.alpha, finished.settings.backbone)
    own = read_settings(finished.study_dir).source
    if own is None or own.sha256 != sha256_of(path):
        raise TransferError(
            f"Expected the source of {finished.study_dir}. {name} has other weights. Say which "
            "with --source."
        )
    return path


def _probe(
    finished: Finished, data: Dataset, images: np.ndarray, base_a: Path
) -> list[dict[str, Any]]:
    """Ridge probes on baseA's features: by the source's statistics, and by the target's."""
    architecture = Architecture(
        alpha=finished.settings.alpha,
        input_size=finished.settings.input_size,
        image_size=(data.height, data.width),
        classes=len(data.classes),
        backbone=finished.settings.backbone,
    )
    weights = read_weights(base_a, architecture)
    accuracies = []  # validation accuracy of the ridge probe after every block
    for values in (weights, reestimate(architecture, weights, images)):
        features = feature_function(architecture, values)
        scores = measure_scores(data, features, None, batch_size(architecture))
        accuracies.append(scores[scores["score"] == "ridge_probe"].set_index("block")["value"])
    before, after = accuracies
    named = {"kind": "probe", "bn": "", "seed": 0, "layers": "all", "split": "validation"}
    named["images"] = len(images)
    return [
        {"run": f"probe-{n}", "n": n, **named, "before": before[n], "after": after[n]}
        for n in before.index
    ]
