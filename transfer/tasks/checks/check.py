"""Check a data set before a study is spent on it: layout, classes, leakage, data that lie."""

from itertools import combinations
from pathlib import Path

import numpy as np

from transfer.errors import TransferError
from transfer.runs import PROTOCOLS
from transfer.tasks.checks.leakage import leakage
from transfer.tasks.checks.soundness import copies_and_constants, labels_and_images
from transfer.tasks.dataset import Dataset, load_dataset


def check(path: str | Path) -> tuple[list[str], list[str]]:
    """The problems of the data set at ``path``, and what it holds, one sentence or line each."""
    try:
        dataset = load_dataset(path)
    except TransferError as error:
        return [str(error)], []
    lines = [f"{dataset.name}: {dataset.height}x{dataset.width}, {len(dataset.classes)} classes"]
    lines += class_shares(dataset)
    problems = shared_recordings(dataset)
    batch = PROTOCOLS["fast"].batch
    if len(dataset.train.labels) < batch:
        problems.append(
            f"Expected {batch} training images or more, a batch of a study. Received: "
            f"{len(dataset.train.labels)}; add some, or give the study a smaller --batch."
        )
    report = leakage(dataset)
    lines += report.lines()
    if report.verdict == "leakage":
        problems.append(
            f"Expected test images as far from training as training images of another time. "
            f"Received: {report.ratio:.2f} of that distance, {report.share_closer:.0%} closer than "
            "its first percentile; split by recording or by stretches of time, never by frame."
        )
    for findings in (copies_and_constants(dataset), labels_and_images(dataset)):
        problems += findings.problems
        lines += findings.lines + [f"note: {note}" for note in findings.notes]
    return problems, lines


def class_shares(dataset: Dataset) -> list[str]:
    """One line a split: images, and the count and share of each class."""
    lines = []
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=len(dataset.classes))
        shares = ", ".join(
            f"{label} {count} ({count / counts.sum():.1%})"
            for label, count in zip(dataset.classes, counts, strict=True)
        )
        recordings = split.recordings
        known = "" if recordings is None else f" in {len(np.unique(recordings))} recordings"
        lines.append(f"{name}: {counts.sum()} images{known}: {shares}")
    return lines


def shared_recordings(dataset: Dataset) -> list[str]:
    """A sentence for each pair of splits that share a recording: it was split by frame."""
    problems = []
    for (one, left), (other, right) in combinations(dataset.splits.items(), 2):
        if left.recordings is None or right.recordings is None:
            continue
        shared = np.intersect1d(left.recordings, right.recordings)
        if len(shared):
            problems.append(
                f"Expected every recording in one split only. Received: {len(shared)} in both "
                f"{one} and {other}, for example {shared[0]}."
            )
    return problems
