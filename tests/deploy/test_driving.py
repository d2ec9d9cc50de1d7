"""The closed loop: who knows the way needs no help, who never steers does, and both are counted."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from transfer.cli import main
from transfer.deploy.driving.drives import drive_network
from transfer.deploy.driving.simulate import (
    Drive,
    drive,
    forward_pilot,
    make_course,
    network_pilot,
    simulator_pilot,
)
from transfer.deploy.driving.table import COLUMNS, by_network, read_drives, summarise
from transfer.deploy.export import open as opening
from transfer.deploy.export.runtimes import Opened
from transfer.errors import TransferError
from transfer.tasks.lanes.driver import LEFT, RIGHT, SPEED, make_driver, record_lap, start
from transfer.tasks.lanes.track import lookup, make_track, track_from_centre


@pytest.fixture(scope="module")
def courses():
    return [make_course(number, seed) for number in range(6) for seed in (0, 1)]


def always(key):
    return lambda active, cars, see: np.full(len(cars), key)


def test_the_simulators_own_driver_needs_no_intervention(courses):
    drives = drive(courses, simulator_pilot(courses), laps=2)
    assert [one.interventions for one in drives] == [0] * len(courses)
    assert min(one.in_lane for one in drives) > 0.99
    assert all(1.9 < one.laps < 2.2 for one in drives)
    assert sum(one.clean_laps for one in drives) >= len(courses)


def test_a_car_that_never_steers_needs_one_at_about_every_corner(courses):
    for one, course in zip(drive(courses, forward_pilot(), laps=1), courses, strict=True):
        assert one.interventions >= 3  # a track has four corners or more
        assert one.clean_laps == 0
        assert one.laps < 1.1
        assert one.frames == math.ceil(course.track.length / SPEED)


@pytest.mark.parametrize("key", [LEFT, RIGHT])
def test_a_car_that_turns_in_circles_is_put_back_again_and_again(courses, key):
    """On a straight it faces backwards after a quarter turn, 24 frames; later in a corner."""
    for one in drive(courses, always(key), laps=1):
        assert one.interventions >= one.frames // (3 * 24)
        assert one.clean_laps == 0


def test_a_wheel_held_on_a_round_track_of_its_radius_needs_no_help():
    radius = 2.2
    angles = np.linspace(0, 2 * np.pi, 138, endpoint=False)
    centre = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    track = track_from_centre(centre, 2.0, np.array([[-9.0, -9.0], [9.0, 9.0]]))
    course = dataclasses.replace(make_course(0, 0), track=track, car=start(track))
    (one,) = drive([course], always(LEFT), laps=3)
    assert one.interventions == 0
    assert one.distance == pytest.approx(3 * 2 * np.pi * radius, rel=0.05)
    assert one.in_lane == 1
    (other,) = drive([course], always(RIGHT), laps=3)
    assert other.interventions > 3


def test_a_network_is_given_what_the_camera_sees_and_its_key_is_pressed():
    courses = [make_course(0, 0), make_course(1, 0)]
    seen = []

    def predict(images):
        seen.append(images)
        return np.tile([0.1, 0.2, 0.7], (len(images), 1))

    keys = []
    drive(courses, network_pilot(predict), 0.1, lambda index, moment: keys.append(moment.key))
    assert seen[0].shape == (2, 45, 80, 3)
    assert seen[0].dtype == np.uint8
    assert not np.array_equal(seen[0], seen[1])
    assert set(keys) == {RIGHT}


def test_a_drive_is_a_function_of_track_and_seed():
    def once(number, seed):
        shapes = np.random.default_rng(3).normal(size=(10800, 3))
        pilot = network_pilot(lambda images: images.reshape(len(images), -1) @ shapes)
        return drive([make_course(number, seed)], pilot, 0.3)

    assert once(1, 0) == once(1, 0)
    assert once(1, 0) != once(1, 1)
    first, second = make_course(1, 0), make_course(1, 1)
    np.testing.assert_array_equal(first.track.centre, second.track.centre)
    assert first.scene.pitch != second.scene.pitch


def test_courses_side_by_side_do_not_disturb_one_another():
    courses = [make_course(number, 0) for number in range(3)]
    together = drive(courses, simulator_pilot(courses), 0.5)
    alone = [drive([course], simulator_pilot([course]), 0.5)[0] for course in courses]
    assert together == alone


def test_no_data_set_has_the_tracks():
    """Recordings are seeded [seed, split, recording]; small ones are tried."""
    ours = {make_course(number, 0).track.length for number in range(4)}
    for words in np.ndindex(4, 3, 3):
        rng = np.random.default_rng(words)
        assert make_track(rng, rng.random() < 0.35).length not in ours


def test_the_drivers_recordings_stay_inside_the_tape_of_the_loop(courses):
    """The limit that calls for an intervention is one that recorded drives keep."""
    track = courses[0].track
    rng = np.random.default_rng(0)
    cars, _ = record_lap(track, make_driver(rng), rng)
    places = np.array([(car.x, car.y) for car in cars], np.float32)
    assert np.abs(lookup(track, places[:, 0], places[:, 1])[1]).max() < track.tape_outer


def table(counts, distance=100.0):
    columns = {"distance": distance, "in_lane": 0.9, "offset": 0.3, "laps": 2.0, "clean_laps": 0}
    return pd.DataFrame({"interventions": counts, **columns})


def test_the_interval_is_the_exact_one_of_a_poisson_count():
    found = summarise(table([3, 2, 3, 2]))  # less spread than chance: no widening
    assert found.per_intervention[0] == 40
    low, high = stats.chi2.ppf([0.025, 0.975], [20, 22]) / 2
    assert found.per_intervention[1:] == pytest.approx((400 / high, 400 / low))


def test_interventions_a_lap_are_the_same_count_over_laps():
    found = summarise(table([3, 2, 3, 2]))
    assert found.per_lap[0] == 10 / 8
    low, high = stats.chi2.ppf([0.025, 0.975], [20, 22]) / 2
    assert found.per_lap[1:] == pytest.approx((low / 8, high / 8))


def drives_of(counts_by_name):
    rows = [
        table([count]).iloc[0].to_dict() | {"network": name, "track": track, "seed": 0}
        for name, counts in counts_by_name.items()
        for track, count in enumerate(counts)
    ]
    return pd.DataFrame(rows).assign(clockwise=False, frames=100)[list(COLUMNS)]


def test_seeds_of_a_network_are_one_line_with_students_interval():
    drives = {"sliced-7_s0": [1, 1], "sliced-7_s1": [2, 2], "sliced-7_s2": [3, 3]}
    drives |= {"sliced-7_s0_litert-int8": [4, 4], "A3B_legacy_s1": [0, 2], "forward": [9, 9]}
    found = by_network(drives_of(drives)).set_index(["network", "format"])
    line = found.loc[("sliced-7", "")]
    assert (line["kind"], line["n"], line["seeds"], line["drives"]) == ("sliced", 7, 3, 6)
    assert line["per_lap"] == 1.0  # two laps a drive
    half = stats.t.ppf(0.975, 2) * 0.5 / math.sqrt(3)
    assert line["low"] == max(0, 1 - half)
    assert line["high"] == pytest.approx(1 + half)
    assert found.loc[("sliced-7", "litert-int8"), "per_lap"] == 2.0
    legacy = found.loc[("A3B_legacy", "")]
    assert (legacy["kind"], legacy["n"], legacy["bn"], legacy["seeds"]) == ("AnB", 3, "legacy", 1)
    assert legacy["low"] < legacy["per_lap"] < legacy["high"]  # one seed: over drives
    assert found.loc[("forward", ""), "kind"] == ""


def test_a_drive_has_the_columns_of_the_table():
    assert tuple(field.name for field in dataclasses.fields(Drive)) == COLUMNS[1:]


def test_no_intervention_has_a_lower_bound_only():
    point, low, high = summarise(table([0, 0, 0])).per_intervention
    assert (point, high) == (math.inf, math.inf)
    assert low == pytest.approx(300 / -math.log(0.025))


def test_one_bad_track_widens_the_interval():
    even = summarise(table([3, 3, 3, 3])).per_intervention
    uneven = summarise(table([12, 0, 0, 0])).per_intervention
    assert even[0] == uneven[0]
    assert uneven[1] < even[1]
    assert uneven[2] > even[2]


def test_the_widened_interval_covers_what_it_claims():
    """Tracks of different difficulty: 95 % intervals should hold the truth about that often."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        rates = rng.gamma(2.0, 2.0, 16)  # mean 4 interventions a drive of 100
        found = summarise(table(rng.poisson(rates)))
        held += found.per_intervention[1] <= 25 <= found.per_intervention[2]
    assert 0.90 < held / 400 <= 0.99


def test_drives_are_recorded_beside_those_of_other_networks(tmp_path):
    drive_network("forward", tmp_path, tracks=2, seeds=(0,), laps=0.2)
    drive_network("driver", tmp_path, tracks=1, seeds=(0, 1), laps=0.2, film=False)
    drive_network("forward", tmp_path, tracks=1, seeds=(0,), laps=0.2, film=False)  # replaces
    frame = read_drives(tmp_path / "driving.csv")
    assert frame["network"].tolist() == ["driver", "driver", "forward"]
    with Image.open(tmp_path / "forward.gif") as film:
        assert film.n_frames > 5
    assert not (tmp_path / "driver.gif").exists()


def test_a_finished_run_drives(study, tmp_path):
    done = drive_network(study / "sliced-4_s0", tmp_path, tracks=1, seeds=(0,), laps=0.2)
    assert done.drives == 1
    assert (tmp_path / "sliced-4_s0.gif").exists()


@pytest.mark.slow
def test_an_exported_file_drives_as_its_run_does(study, exported, tmp_path):
    settings = {"tracks": 2, "seeds": (0,), "laps": 0.3, "film": False}
    run = drive_network(study / "sliced-4_s0", tmp_path, **settings)
    assert drive_network(exported("net.keras").path, tmp_path, **settings) == run
    assert set(read_drives(tmp_path / "driving.csv")["network"]) == {
        "sliced-4_s0",
        "sliced-4_s0_keras",
    }


def test_a_network_with_other_classes_cannot_drive(own_study, tmp_path):
    text = (own_study / "study.json").read_text().replace('"left"', '"cat"')
    (own_study / "study.json").write_text(text)
    with pytest.raises(TransferError, match="keys of the car"):
        drive_network(own_study / "sliced-4_s0", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change", [{"tracks": 0}, {"seeds": ()}, {"seeds": (1, 1)}, {"laps": 0}, {"laps": math.nan}]
)
def test_settings_out_of_range_are_refused(tmp_path, change):
    with pytest.raises(TransferError):
        drive_network("forward", tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_mistakes_of_the_command_line_end_with_one_line(capsys, tmp_path):
    for network, code in (("nonsense", 2), (tmp_path / "nowhere" / "baseB_s0", 1)):
        with pytest.raises(SystemExit) as stopped:
            main(["drive", str(network), "--out", str(tmp_path / "out")])
        assert stopped.value.code == code
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "about", [{"run": "../../x"}, {"run": "/x"}, {}, {"run": "baseB_s0", "format": ["../x"]}]
)
def test_what_a_file_says_of_itself_leads_nowhere_else(tmp_path, monkeypatch, about):
    metadata = {"image_size": [45, 80], "classes": ["forward", "left", "right"], **about}
    metadata = {"format": "litert"} | metadata
    opened = Opened(lambda images: np.zeros((len(images), 3)), metadata)
    monkeypatch.setattr(opening.runtimes, "open_exported", lambda path: opened)
    (tmp_path / "net.tflite").touch()
    with pytest.raises(TransferError, match="metadata of"):
        drive_network(tmp_path / "net.tflite", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["net.tflite"]
