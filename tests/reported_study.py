"""A small study with everything a report shows: data, logs, predictions; nothing is trained."""

import numpy as np

from tests.study_files import call_for, write_study
from transfer.folding import fold, write_log, write_predictions, write_row, write_test_labels
from transfer.results import RUN_COLUMNS
from transfer.runs import FROZEN_KINDS, Run
from transfer.tasks.dataset import Split, content_hash, load_dataset, write_dataset
from transfer.training.evaluation import reported_numbers

#: Names as a stranger may give them.
CLASSES = ("<script>alert('x')</script>", "left & up", 'right "2"')
IMAGES = {"train": 90, "valid": 30, "test": 240}
SHARES = {"baseB": 0.8, "baseB+": 0.82, "AnB": 0.7, "AnB+": 0.85, "sliced": 0.78, "RnB": 0.5}


def every_run(kinds=tuple(SHARES), n=(1, 4, 7), seeds=(0, 1), bn=("inference", "legacy")):
    runs = []
    for kind in kinds:
        for seed in seeds:
            if kind.startswith("baseB"):
                runs.append(Run(kind, seed=seed))
                continue
            for semantics in bn if kind == "AnB" else ("inference",):
                of_kind = semantics if kind in FROZEN_KINDS else ""
                runs += [Run(kind, number, seed, of_kind) for number in n]
    return runs


def make_data(folder, classes=CLASSES):
    """A data set whose images say what they are: grey level 10 i in the i-th image of a split."""
    splits = {}
    for split, count in IMAGES.items():
        grey = (10 * np.arange(count) % 250).astype(np.uint8)
        images = np.broadcast_to(grey[:, None, None, None], (count, 12, 16, 3))
        splits[split] = Split(np.ascontiguousarray(images), np.arange(count) % len(classes))
    write_dataset(
        folder, splits, name="made <b>up</b>", height=12, width=16, classes=classes, recipe={}
    )
    return folder


def make_study(folder, data, runs, epochs=3, finished=True):
    """Write a study of ``runs`` on the data set in ``data``; returns its folder."""
    dataset = load_dataset(data)
    labels, classes = dataset.test.labels, dataset.classes
    write_study(
        folder,
        call_for(runs, str(data)),
        dataset=dataset.name,
        data_sha256=content_hash(dataset),
        images={name: len(split.labels) for name, split in dataset.splits.items()},
        classes=tuple(classes),
    )
    write_test_labels(folder, labels)
    for run in runs:
        write_run(folder, run, labels, len(classes), epochs)
    if finished:
        fold(folder)
    return folder


def write_run(folder, run, labels, classes, epochs=3):
    """The log, the predictions and the row of a run."""
    rng = np.random.default_rng([*run.name.encode()])
    right = rng.random(len(labels)) < SHARES[run.kind] - (0.2 if run.bn == "legacy" else 0)
    said = np.where(right, labels, (labels + rng.integers(1, classes, len(labels))) % classes)
    sure = rng.uniform(0.5, 0.99, len(labels)).astype(np.float32).round(4)
    probabilities = np.full((len(labels), classes), 0.0, np.float32)
    probabilities += ((1 - sure) / (classes - 1))[:, None]
    probabilities[np.arange(len(labels)), said] = sure
    write_predictions(folder, run.name, probabilities)
    log = [
        {"epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.1 * e}
        | {"learning_rate": 0.1, "seconds": 2.0}
        for e in range(1, epochs + 1)
    ]
    write_log(folder, run.name, log)
    blank = {"string": "", "Int64": None, "int64": 1, "float64": 0.5}
    row = {column: blank[dtype] for column, dtype in RUN_COLUMNS.items()}
    row |= {"run": run.name, "kind": run.kind, "n": run.n, "seed": run.seed, "bn": run.bn}
    row |= reported_numbers(probabilities, labels, np.arange(len(labels)))
    row |= {"fraction": run.fraction, "epochs": epochs, "best_epoch": epochs, "seconds": 6.0}
    row |= {"parameters": 1000 * (run.n or 13), "multiply_adds": 10**5 * (run.n or 13)}
    row |= {"val_accuracy": float(right.mean()), "train_images": 90}
    write_row(folder, row)
