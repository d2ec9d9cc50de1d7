"""A study with ``deploy.csv`` and predictions, made by hand."""

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from tests.study_files import write_study
from transfer.deploy.costs.table import COLUMNS, write_exported
from transfer.folding import write_predictions, write_row, write_test_labels
from transfer.results import RUN_COLUMNS
from transfer.runs import Run

LABELS = (np.arange(3000) % 3).astype(np.int64)


def answers(accuracy, seed):
    """Probabilities that are right on a share of the images, mostly the same ones."""
    easy = np.random.default_rng(0).random(len(LABELS))
    right = easy + np.random.default_rng(seed).normal(0, 0.01, len(LABELS)) < accuracy
    probabilities = np.eye(3, dtype=np.float32)[np.where(right, LABELS, (LABELS + 1) % 3)]
    return probabilities, float(right.mean())


def cost(run, alpha, name, accuracy, size, milliseconds, work=1e6):
    given = dict.fromkeys(COLUMNS) | {"run": run.name, "kind": run.kind, "n": run.n}
    given |= {"seed": run.seed, "alpha": alpha, "format": name, "test_accuracy": accuracy}
    given |= {"file_bytes": size, "gzip_bytes": 0.9 * size, "multiply_adds": work}
    return given | {"parameters": 10, "weight_bytes": size, "median_ms_1": milliseconds}


def measured_study(folder, networks, alpha=0.25, data="a", seeds=(0, 1, 2)):
    """A study of (kind, n): (accuracy, int8 accuracy or None, bytes, ms, multiply-adds)."""
    write_study(folder, dataset="stripes", data_sha256=data, alpha=alpha)
    write_test_labels(folder, LABELS)
    blank = dict.fromkeys(RUN_COLUMNS, 0) | {
        column: "" for column, dtype in RUN_COLUMNS.items() if dtype == "string"
    }
    costs = []
    for (kind, n), (accuracy, int8, size, milliseconds, work) in networks.items():
        for seed in seeds:
            run = Run(kind, n, seed)
            probabilities, hit = answers(accuracy, seed)
            write_predictions(folder, run.name, probabilities)
            named = {"run": run.name, "kind": kind, "n": n, "seed": seed, "fraction": 1.0}
            balanced = balanced_accuracy_score(LABELS, probabilities.argmax(1))
            numbers = {"test_accuracy": hit, "test_balanced_accuracy": balanced, "test_high": 1.0}
            write_row(folder, blank | named | numbers)
            time = milliseconds if seed == seeds[0] else np.nan
            costs.append(cost(run, alpha, "litert", hit, size, time, work))
            costs.append(cost(run, alpha, "keras", hit, 9 * size, 9 * time, work))
            if int8 is not None:
                probabilities, hit = answers(int8, seed + 10)
                write_exported(folder, run.name, "litert-int8", probabilities)
                costs.append(cost(run, alpha, "litert-int8", hit, size // 4, time / 2, work))
    frame = pd.DataFrame(costs, columns=list(COLUMNS))
    frame.to_csv(folder / "deploy.csv", index=False)
    return folder
