"""The formula-driven source task."""

import numpy as np
import pytest

from benchmarks.source.fractals import System, attractor, generate, sample_system


def test_more_classes_or_images_leave_the_others_as_they_are():
    few, _ = generate(2, 2, 24, 40, seed=3)
    many, labels = generate(3, 4, 24, 40, seed=3)
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    np.testing.assert_array_equal(many.reshape(3, 4, 24, 40, 3)[:2, :2].reshape(few.shape), few)


def test_another_seed_gives_other_fractals():
    assert not np.array_equal(generate(1, 1, 24, 40, 0)[0], generate(1, 1, 24, 40, 1)[0])


def test_the_sierpinski_triangle_has_its_dimension():
    system = System(np.stack([np.eye(2) / 2] * 3), np.array([[0, 0], [0.5, 0], [0, 0.5]]))
    points = np.concatenate([attractor(system, np.random.default_rng(s)) for s in range(10)])
    assert points.min() >= 0
    assert points.sum(1).max() <= 1 + 1e-9
    counts = [len(np.unique((points * side).astype(int), axis=0)) for side in (8, 32)]
    dimension = np.log(counts[1] / counts[0]) / np.log(4)
    assert dimension == pytest.approx(np.log2(3), abs=0.08)


def test_systems_contract():
    for seed in range(20):
        system = sample_system(np.random.default_rng(seed))
        assert np.linalg.norm(system.matrices, 2, axis=(1, 2)).max() < 1


def test_images_show_something():
    images, _ = generate(6, 20, 24, 40, seed=0)
    assert images.reshape(len(images), -1).std(1).min() > 5
