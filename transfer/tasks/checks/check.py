"""Check a data set before a study is spent on it: layout, classes, leakage, data that lie.

What concerns more than one image in a hundred of a split is a problem, else a note. Whether labels
belong to the images is told by ridge regression from grey pictures of 12x20.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2_contingency

from transfer.errors import TransferError
from transfer.runs import PROTOCOLS
from transfer.tasks.checks.leakage import leakage
from transfer.tasks.checks.pictures import sample, small_grey
from transfer.tasks.dataset import Dataset, Split, load_dataset
from transfer.tasks.imports.plan import file_names

_PROBLEM_SHARE = 0.01  # of a split, from which on copies or images of one colour are a problem
_UNRELATED = 0.01  # labels are unrelated to the images if chance does as well this often
_RENUMBERED = 0.1  # points of mean recall that another numbering of the classes must gain
_MOST_TRAIN, _MOST_OTHER = 6000, 2000
_PENALTY = 0.01  # of the ridge regression, times the variance of a pixel
_BATCH = 256


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


@dataclass
class Findings:
    """Problems, notes (both one sentence each) and what was measured."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, where: str, which: np.ndarray, what: str) -> None:
        """A problem or a note, by the share of a split's images that it concerns."""
        count = int(which.sum())
        images = f"{count} of {len(which)} images {'is' if count == 1 else 'are'}"
        sentences = self.problems if which.mean() > _PROBLEM_SHARE else self.notes
        sentences.append(f"In {where} {images} {what}")


def copies_and_constants(dataset: Dataset) -> Findings:
    """Images that are equal, bit for bit, in two splits, and images of a single colour."""
    findings = Findings()
    seen = {name: _look(split.images) for name, split in dataset.splits.items()}
    for name, (_, constant) in seen.items():
        if constant.any():
            first_one = _name(dataset, name, int(np.argmax(constant)))
            findings.add(name, constant, f"of a single colour, the first is {first_one}.")
    for (one, (first, plain)), (other, (second, constant)) in combinations(seen.items(), 2):
        where = {digest: i for i, digest in enumerate(first) if not plain[i]}
        copied = np.array([digest in where for digest in second]) & ~constant
        if copied.any():
            image = int(np.argmax(copied))
            same = f"equal to {_name(dataset, one, where[second[image]])} of {one}."
            found = _name(dataset, other, image)
            findings.add(other, copied, f"in {one} too, the first is {found}, {same}")
    return findings


def _name(dataset: Dataset, split: str, image: int) -> str:
    """An image by its number, and by its file if that is known."""
    files = file_names(dataset.path, split)
    return f"image {image} ({files[image]})" if image < len(files) else f"image {image}"


def _look(images: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """A digest of every image, and whether it has a single colour."""
    digests: list[bytes] = []
    constant = np.empty(len(images), dtype=bool)
    for start in range(0, len(images), _BATCH):
        batch = np.ascontiguousarray(images[start : start + _BATCH])  # (b, H, W, 3)
        digests += [hashlib.blake2b(image, digest_size=16).digest() for image in batch]
        constant[start : start + _BATCH] = (batch == batch[:, :1, :1]).all(axis=(1, 2, 3))
    return digests, constant


def labels_and_images(dataset: Dataset, seed: int = 0) -> Findings:
    """Whether the labels have to do with what the images show, in train and in the other splits."""
    findings = Findings()
    rng = np.random.default_rng(seed)
    classes = dataset.classes
    pictures, labels = _drawn(dataset.train, _MOST_TRAIN, rng)
    half = rng.permutation(len(labels)) % 2 == 0
    answers = _ridge(pictures[half], labels[half]).predict(pictures[~half])
    if not _judge(findings, "train", answers, labels[~half], classes):
        return findings  # a classifier that learnt nothing cannot judge the other splits
    classifier = _ridge(pictures, labels)
    for name in ("valid", "test"):
        pictures, labels = _drawn(dataset.splits[name], _MOST_OTHER, rng)
        _judge(findings, name, classifier.predict(pictures), labels, classes)
    return findings


def _judge(
    findings: Findings, name: str, answers: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> bool:
    """Add the findings about a split; False if labels and answers are unrelated."""
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, answers), 1)
    present = confusion.any(axis=1)  # a rare class may not be among the images drawn
    recall = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    right = float(recall.diagonal().sum() / present.sum())
    findings.lines.append(
        f"a linear classifier of 12x20 grey pictures finds {right:.1%} of each class of {name} "
        f"(at random {1 / len(classes):.1%})"
    )
    used = confusion[present][:, confusion.any(axis=0)]
    chance = chi2_contingency(used).pvalue if min(used.shape) > 1 else 1.0
    if chance > _UNRELATED:
        findings.notes.append(
            f"A linear classifier fitted on train sees no relation between the images of {name} "
            "and their labels: the task is hard, or the labels are shuffled."
        )
        return False
    rows, taken = linear_sum_assignment(recall, maximize=True)
    if recall[rows, taken].sum() / present.sum() - right > _RENUMBERED:
        swapped = ", ".join(
            f"{classes[label]} looks like {classes[other]}"
            for label, other in zip(rows, taken, strict=True)
            if label != other
        )
        findings.problems.append(
            f"Expected the classes to be numbered alike in train and {name}. In {name}, by the "
            f"numbers of train, {swapped:.300}."
        )
    return True


def _drawn(split: Split, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Small grey pictures, float32 (n, D), and labels of at most so many images."""
    chosen = sample(len(split.images), most, rng)
    return small_grey(split.images[chosen]), split.labels[chosen]


def _ridge(pictures: np.ndarray, labels: np.ndarray) -> Any:
    """Ridge regression to the classes, each class of equal weight."""
    from sklearn.linear_model import RidgeClassifier  # slow to import: studies do without it

    penalty = _PENALTY * len(labels) * float(pictures.var())
    return RidgeClassifier(penalty or 1.0, class_weight="balanced").fit(pictures, labels)
