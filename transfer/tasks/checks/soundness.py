"""Data that lie: copies across splits, constant images, labels that say nothing of the images.

No single image is wrong here, so nothing fails; the study would be trained and would mean less
than it says. What is found is a problem where it concerns more than one image in a hundred of a
split, else a note.

Whether labels belong to the images is asked of the simplest classifier there is: ridge regression
from grey pictures of 12x20 to the classes, fitted on train, classes weighted equally. Labels that
were shuffled have no relation to what it says; classes that are numbered otherwise in another split
have one, to the wrong class.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2_contingency

from transfer.tasks.checks.leakage import sample, small_grey
from transfer.tasks.dataset import Dataset, Split

#: Share of a split from which on copies or constant images are a problem.
PROBLEM_SHARE = 0.01
#: Labels are unrelated to the images where chance does as well as this often.
_UNRELATED = 0.01
#: Points of mean recall another numbering of the classes must gain to be believed.
_RENUMBERED = 0.1
_MOST_TRAIN, _MOST_OTHER = 6000, 2000
_PENALTY = 1e-2
_BLOCK = 256


@dataclass
class Findings:
    """Problems, notes (both one sentence each) and what was measured."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, sentence: str, share: float) -> None:
        """A problem or a note, by the share of a split it concerns."""
        (self.problems if share > PROBLEM_SHARE else self.notes).append(sentence)


def copies_and_constants(dataset: Dataset) -> Findings:
    """Images that are equal, bit for bit, in two splits, and images of a single colour."""
    found = Findings()
    seen = {name: _look(split.images) for name, split in dataset.splits.items()}
    for name, (_, constant) in seen.items():
        if constant.any():
            found.add(
                f"In {name} {_count(constant)} of a single colour, the first is image "
                f"{int(np.argmax(constant))}.",
                float(constant.mean()),
            )
    for (one, (first, plain)), (other, (second, constant)) in combinations(seen.items(), 2):
        where = {digest: i for i, digest in enumerate(first) if not plain[i]}
        copied = np.array([digest in where for digest in second]) & ~constant
        if copied.any():
            image = int(np.argmax(copied))
            found.add(
                f"In {other} {_count(copied)} in {one} too, the first is image {image}, "
                f"equal to image {where[second[image]]} of {one}.",
                float(copied.mean()),
            )
    return found


def _count(which: np.ndarray) -> str:
    count = int(which.sum())
    return f"{count} of {len(which)} images {'is' if count == 1 else 'are'}"


def _look(images: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """A digest of every image, and whether it has a single colour."""
    digests: list[bytes] = []
    constant = np.empty(len(images), dtype=bool)
    for start in range(0, len(images), _BLOCK):
        block = np.ascontiguousarray(images[start : start + _BLOCK])  # (b, H, W, 3)
        digests += [hashlib.blake2b(image, digest_size=16).digest() for image in block]
        constant[start : start + _BLOCK] = (block == block[:, :1, :1]).all(axis=(1, 2, 3))
    return digests, constant


def labels_and_images(dataset: Dataset, seed: int = 0) -> Findings:
    """Whether what is seen in the images has to do with the labels, in train and elsewhere."""
    found = Findings()
    rng = np.random.default_rng(seed)
    classes = dataset.classes
    pictures, labels = _drawn(dataset.train, _MOST_TRAIN, rng)
    half = rng.permutation(len(labels)) % 2 == 0
    classify = _ridge(pictures[half], labels[half], len(classes))
    if not _judge(found, "train", classify(pictures[~half]), labels[~half], classes):
        return found  # what such labels teach says nothing of the other splits
    classify = _ridge(pictures, labels, len(classes))
    for name in ("valid", "test"):
        pictures, labels = _drawn(dataset.splits[name], _MOST_OTHER, rng)
        _judge(found, name, classify(pictures), labels, classes)
    return found


def _judge(
    found: Findings, name: str, said: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> bool:
    """Add what is to be said of a split; False if labels and classifier have no relation."""
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, said), 1)
    present = confusion.any(axis=1)  # a rare class may not be among the images drawn
    recall = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    right = float(recall.diagonal().sum() / present.sum())
    found.lines.append(
        f"a linear classifier of 12x20 grey pictures finds {right:.1%} of each class of {name} "
        f"(at random {1 / len(classes):.1%})"
    )
    used = confusion[present][:, confusion.any(axis=0)]
    chance = chi2_contingency(used).pvalue if min(used.shape) > 1 else 1.0
    if chance > _UNRELATED:
        found.notes.append(
            f"The labels of {name} have no relation to its images that a linear classifier fitted "
            "on train could see: the task is hard, or they are shuffled."
        )
        return False
    rows, taken = linear_sum_assignment(recall, maximize=True)
    if recall[rows, taken].sum() / present.sum() - right > _RENUMBERED:
        swapped = ", ".join(
            f"{classes[label]} looks like {classes[other]}"
            for label, other in zip(rows, taken, strict=True)
            if label != other
        )
        found.problems.append(
            f"Expected the classes to be numbered alike in train and {name}. In {name}, as train "
            f"has them, {swapped:.300}."
        )
    return True


def _drawn(split: Split, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Small grey pictures, float32 (n, D), and labels of at most so many images."""
    chosen = sample(len(split.images), most, rng)
    return small_grey(split.images[chosen]), split.labels[chosen]


def _ridge(
    pictures: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Ridge regression to one-hot classes, each class of equal weight; returns the classifier."""
    mean, spread = pictures.mean(axis=0), float(pictures.std()) or 1.0

    def inputs(given: np.ndarray) -> np.ndarray:
        return np.column_stack([(given - mean) / spread, np.ones(len(given))]).astype(np.float64)

    x, y = inputs(pictures), np.eye(classes)[labels]  # (n, D + 1), (n, classes)
    weight = 1.0 / (classes * np.bincount(labels, minlength=classes)[labels])  # sums to one
    penalty = _PENALTY * np.eye(x.shape[1])
    coefficients = np.linalg.solve((x.T * weight) @ x + penalty, (x.T * weight) @ y)
    return lambda given: (inputs(given) @ coefficients).argmax(axis=1)
