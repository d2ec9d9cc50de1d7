"""A split by frame of a drive is flagged, a split by stretches of time is not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from transfer.tasks.checks.leakage import leakage, nearest
from transfer.tasks.checks.pictures import small_grey
from transfer.tasks.dataset import Dataset, Split, load_dataset
from transfer.tasks.lanes.generate import generate

FRAMES = 600


def drifting_sequence():
    """Smooth noise that drifts: a frame is like its neighbours, later never comes again."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(FRAMES, 6, 8, 3)) * 6
    walk = np.cumsum(steps, axis=0)
    walk = 127 + walk - walk.mean(axis=0)
    return np.clip(walk, 0, 255).astype(np.uint8)


def data_set(images, train, test, recordings=None):
    labels = np.arange(len(images)) % 3

    def take(indices):
        known = None if recordings is None else recordings[indices]
        return Split(images[indices], labels[indices], known)

    test_split = take(test)
    size = images.shape[1:3]
    return Dataset(Path("x"), "x", *size, ("a", "b", "c"), take(train), test_split, test_split)


def by_frame():
    order = np.random.default_rng(1).permutation(FRAMES)
    return np.sort(order[60:]), np.sort(order[:60])


def by_stretch():
    """Every tenth block of twenty frames, ten frames of gap on both sides."""
    block = np.arange(FRAMES) // 20 % 10
    test = np.flatnonzero(block == 5)
    apart = np.abs(np.arange(FRAMES)[:, None] - test).min(axis=1)
    return np.flatnonzero(apart > 10), test


def shuffled(indices):
    return np.random.default_rng(2).permutation(indices)


RECORDINGS = np.arange(FRAMES) // 20


@pytest.mark.parametrize("recordings", [None, RECORDINGS], ids=["order", "recordings"])
def test_a_split_by_frame_is_flagged(recordings):
    report = leakage(data_set(drifting_sequence(), *by_frame(), recordings))
    assert report.verdict == "leakage"
    assert report.ratio < 0.5
    assert report.basis == ("order" if recordings is None else "recordings")


@pytest.mark.parametrize("recordings", [None, RECORDINGS], ids=["order", "recordings"])
def test_a_split_by_stretches_is_not_flagged(recordings):
    report = leakage(data_set(drifting_sequence(), *by_stretch(), recordings))
    assert report.verdict == "none seen"
    assert report.ratio > 0.7


def test_shuffling_the_files_hides_neither():
    images = drifting_sequence()
    frame = leakage(data_set(images, *map(shuffled, by_frame())))
    stretch = leakage(data_set(images, *map(shuffled, by_stretch())))
    assert (frame.basis, stretch.basis) == ("none", "none")
    assert (frame.verdict, stretch.verdict) == ("leakage", "none seen")


def test_copies_of_training_images_are_flagged():
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 8, 3), np.uint8)
    images[200:] = images[:100]
    recordings = np.arange(300) // 10
    report = leakage(data_set(images, np.arange(200), np.arange(200, 300), recordings))
    assert report.verdict == "leakage"
    assert report.test_median == 0
    assert report.share_closer == 1


@pytest.mark.parametrize("train", [40, 200])
def test_simulated_drives_of_any_size_are_no_leakage(tmp_path, train):
    """With a few recordings, many honest test images are closer than the first percentile."""
    for seed in range(4):
        generate(tmp_path / str(seed), train, 30, 60, 100 + seed)
        report = leakage(load_dataset(tmp_path / str(seed)))
        assert report.verdict == "none seen"
        assert "not judged" in report.lines()[3]


def test_independent_images_are_no_leakage():
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 8, 3), np.uint8)
    data = data_set(images, np.arange(250), np.arange(250, 300))
    report = leakage(data)
    assert report.verdict == "cannot tell"
    assert report.ratio == pytest.approx(1, abs=0.05)
    assert leakage(dataclasses.replace(data, frames=False)).verdict == "none seen"


def test_the_report_is_a_function_of_the_seed():
    data = data_set(drifting_sequence(), *by_frame())
    assert leakage(data, queries=40, seed=3) == leakage(data, queries=40, seed=3)
    assert leakage(data, queries=40, seed=3) != leakage(data, queries=40, seed=4)
    assert leakage(data, queries=40, seed=3).verdict == "leakage"
    assert len(leakage(data).lines()) == 5


@pytest.mark.parametrize("window", [0, 3])
def test_nearest_is_brute_force(window):
    rng = np.random.default_rng(0)
    train = rng.uniform(0, 255, (200, 30)).astype(np.float32)
    queries = train[:150] + rng.normal(size=(150, 30)).astype(np.float32)
    keys = np.arange(200) // 4
    all_pairs = np.sqrt(((queries[:, None].astype(float) - train) ** 2).mean(axis=2))
    np.testing.assert_allclose(nearest(queries, train), all_pairs.min(axis=1), rtol=1e-4)
    all_pairs[np.abs(keys[:150, None] - keys) <= window] = np.inf
    found = nearest(queries, train, keys[:150], keys, window)
    np.testing.assert_allclose(found, all_pairs.min(axis=1), rtol=1e-4)


def test_a_query_whose_neighbours_are_everything_has_no_distance():
    train = np.ones((5, 3), dtype=np.float32)
    keys = np.zeros(5, dtype=np.int64)
    assert np.isinf(nearest(train, train, keys, keys)).all()


def test_small_pictures_are_averages_over_areas():
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 60, 3), np.uint8)
    grey = images.astype(float) @ [0.299, 0.587, 0.114]
    expected = grey.reshape(3, 12, 2, 20, 3).mean(axis=(2, 4)).reshape(3, 240)
    np.testing.assert_allclose(small_grey(images), expected, rtol=1e-4)


@pytest.mark.parametrize("size", [(45, 80), (7, 9), (13, 21)])
def test_any_size_keeps_the_mean(size):
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    grey = images.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(small_grey(images).mean(axis=1), grey.mean(axis=(1, 2)), rtol=1e-4)
