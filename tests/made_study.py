"""A study made up from accuracies: which images each network gets right is chosen, not trained."""

import numpy as np

from tests.study_files import write_study
from transfer.folding import write_predictions, write_row, write_test_labels
from transfer.results import RUN_COLUMNS
from transfer.runs import FROZEN_KINDS, Run, parse_run

LABELS = np.arange(2000) % 3


def run_of(kind, n, seed, bn=None, fraction=1.0):
    return Run(kind, n, seed, bn or ("inference" if kind in FROZEN_KINDS else ""), fraction)


def row_of(name):
    """A row of runs.csv for a run that was not trained."""
    run = parse_run(name)
    text = {column: "" for column, kind in RUN_COLUMNS.items() if kind == "string"}
    numbers = {column: 0.5 for column, kind in RUN_COLUMNS.items() if kind == "float64"}
    counts = {column: 1 for column, kind in RUN_COLUMNS.items() if kind.lower() == "int64"}
    facts = {"run": name, "kind": run.kind, "n": run.n, "seed": run.seed, "bn": run.bn}
    return {**text, **numbers, **counts, **facts, "fraction": run.fraction}


def make_study(folder, accuracies, seeds=(0, 1, 2), noise=0.02, backbone="mobilenet"):
    """Write a study; ``accuracies`` by `Run` or by (kind, n), which stands for every seed.

    Most images are easy or hard for every network, as real ones are: ``noise`` is how much runs
    differ in that.
    """
    write_study(folder, backbone=backbone)
    write_test_labels(folder, LABELS.astype(np.int64))
    blank = {"string": "", "Int64": None, "int64": 0, "float64": 0.5}
    hard = np.random.default_rng(0).random(len(LABELS))
    runs = {}
    for key, accuracy in accuracies.items():
        named = [key] if isinstance(key, Run) else [run_of(*key, seed) for seed in seeds]
        runs |= dict.fromkeys(named, accuracy)
    for run, accuracy in runs.items():
        rng = np.random.default_rng([*run.name.encode()])
        right = hard + rng.normal(0, noise, len(LABELS)) < accuracy
        said = np.eye(3, dtype=np.float32)[np.where(right, LABELS, (LABELS + 1) % 3)]
        write_predictions(folder, run.name, said)
        row = {column: blank[dtype] for column, dtype in RUN_COLUMNS.items()}
        row |= {"run": run.name, "kind": run.kind, "n": run.n, "seed": run.seed, "bn": run.bn}
        balanced = float(np.mean([right[label == LABELS].mean() for label in range(3)]))
        row |= {"fraction": run.fraction, "test_accuracy": float(right.mean())}
        row |= {"test_balanced_accuracy": balanced, "train_images": int(1000 * run.fraction)}
        row |= {"test_low": 0.0, "test_high": 1.0, "epochs": 5, "best_epoch": 3}
        row |= {"backbone": backbone}
        write_row(folder, row)
    return folder
