"""What tests share: a small data set that a small network can learn."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import pytest
from hypothesis import settings

from tests.forked import Forker
from transfer.tasks.dataset import Split, write_dataset

# No test asserts a time. HYPOTHESIS_PROFILE=thorough tries 10,000 examples a property, where a test
# does not say how many it wants.
settings.register_profile("usual", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

CLASSES = ("forward", "left", "right")
#: Files that take longest, the longest first: two workers that begin with them end together.
_FIRST = (
    "test_commands.py",
    "test_notebooks.py",
    "test_ray.py",
    "test_backbone.py",
    "test_soak.py",
    "test_newcomer.py",
    "test_study.py",
    "test_benchmarks.py",
    "test_api.py",
    "test_bounds.py",
    "test_until_decided.py",
    "test_adaptive.py",
    "test_failures.py",
    "test_measure.py",
    "test_locks.py",
    "test_prefix.py",
    "test_folding.py",
    "test_similarity.py",
    "test_loop.py",
)


def pytest_collection_modifyitems(items):
    """The longest files first."""
    place = {name: number for number, name in enumerate(_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(_FIRST)))


def coloured_images(count, seed):
    """Noise with a bright stripe: in the middle (0), on the left (1), on the right (2)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 160, (count, 45, 80, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        start = (30, 4, 56)[label] + rng.integers(-3, 4)
        image[:, start : start + 16] += 90
    return Split(images, labels.astype(np.int64), np.full(count, seed))


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """Folder of a data set of 96 training, 36 validation and 48 test images."""
    out = tmp_path_factory.mktemp("data") / "stripes"
    splits = {
        name: coloured_images(count, seed)
        for seed, (name, count) in enumerate({"train": 96, "valid": 36, "test": 48}.items())
    }
    write_dataset(out, splits, name="stripes", height=45, width=80, classes=CLASSES, recipe={})
    return out


@pytest.fixture(scope="session")
def forker():
    """A process that commands are forked from: see `tests.forked`."""
    made = Forker()
    yield made
    made.stop()
