"""The simulator: the layout and shares of the published data, honest splits, same bytes again."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.dataset import load_dataset
from transfer.tasks.lanes.camera import make_scene, render
from transfer.tasks.lanes.driver import (
    FORWARD,
    LEFT,
    SPEED,
    TURNING_RADIUS,
    Car,
    aim,
    best_window,
    start,
    step,
)
from transfer.tasks.lanes.generate import generate
from transfer.tasks.lanes.track import lookup, make_track, nearest


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    out = tmp_path_factory.mktemp("lanes") / "drives"
    generate(out, train=600, valid=60, test=60, seed=4)
    return out


@pytest.fixture
def track():
    return make_track(np.random.default_rng(0))


def test_the_layout_is_that_of_the_published_data(drives):
    assert np.load(drives / "train_data.npy").shape == (600, 10800)
    data = load_dataset(drives)
    assert data.classes == ("forward", "left", "right")
    assert [len(split.labels) for split in data.splits.values()] == [600, 60, 60]


def test_shares_are_near_the_published_ones(drives):
    shares = np.bincount(load_dataset(drives).train.labels) / 600
    assert shares == pytest.approx([0.53, 0.29, 0.18], abs=0.08)


def test_splits_share_no_recording(drives):
    sets = [set(split.recordings) for split in load_dataset(drives).splits.values()]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]


def test_a_split_is_a_function_of_seed_and_its_own_size(drives, tmp_path):
    generate(tmp_path / "again", train=60, valid=90, test=60, seed=4)
    assert (tmp_path / "again/test_data.npy").read_bytes() == (
        drives / "test_data.npy"
    ).read_bytes()
    generate(tmp_path / "other", train=60, valid=60, test=60, seed=5)
    assert (tmp_path / "other/test_data.npy").read_bytes() != (
        drives / "test_data.npy"
    ).read_bytes()


def test_every_class_occurs_in_the_smallest_set(tmp_path):
    generate(tmp_path / "tiny", train=30, valid=30, test=30)
    load_dataset(tmp_path / "tiny")


def test_what_cannot_be_simulated_is_said(tmp_path, drives):
    with pytest.raises(TransferError, match="30 train images or more"):
        generate(tmp_path / "few", train=3)
    with pytest.raises(TransferError, match="seed"):
        generate(tmp_path / "few", seed=-1)
    with pytest.raises(TransferError, match="drives"):
        generate(drives, train=30, valid=30, test=30)


def test_the_lookup_of_a_track_is_the_nearest_point_of_its_centre_line(track):
    rng = np.random.default_rng(1)
    index = rng.integers(0, len(track.centre), 200)
    normal = np.stack([-track.tangents[index, 1], track.tangents[index, 0]], 1)
    points = track.centre[index] + normal * rng.uniform(-1, 1, (200, 1))
    _, across = lookup(track, *points.T.astype(np.float32))
    exact = [nearest(track, *point)[1] for point in points]
    assert np.abs(across - exact).max() < 0.05


def test_a_key_held_drives_a_circle():
    car = Car(0.0, 0.0, 0.0)
    path = []
    for _ in range(200):
        car = step(car, LEFT)
        path.append((car.x, car.y))
    distances = np.linalg.norm(np.array(path) - [0, TURNING_RADIUS], axis=1)
    np.testing.assert_allclose(distances, TURNING_RADIUS, rtol=1e-6)
    assert step(Car(0, 0, 0), FORWARD) == Car(SPEED, 0, 0)


def test_aiming_from_the_left_of_the_line_is_to_the_right(track):
    assert aim(track, start(track, 0, offset=0.8), 2.5) < aim(track, start(track), 2.5)


def test_the_best_window_is_the_nearest_to_the_shares():
    keys = np.random.default_rng(0).integers(0, 3, 80)
    shares, so_far = np.array([0.5, 0.3, 0.2]), np.array([10, 0, 3])

    def distance(first):
        counts = so_far + np.bincount(keys[first : first + 20], minlength=3)
        return np.abs(counts - shares * counts.sum()).sum()

    best = best_window(keys, 20, so_far, shares)
    assert distance(best) == pytest.approx(min(distance(first) for first in range(61)))


def test_the_picture_turns_with_the_car(track):
    scene = make_scene(track, np.random.default_rng(2))
    straight, left = (
        render(scene, start(track, 5, turned=turned), np.random.default_rng(3))
        for turned in (0.0, 0.3)
    )
    assert straight.shape == (45, 80, 3)
    assert straight.dtype == np.uint8
    assert np.abs(straight.astype(int) - left).mean() > 5
