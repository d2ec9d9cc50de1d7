"""A recording of Udacity's simulator is read whatever machine it comes from."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from transfer.errors import TransferError
from transfer.tasks.imports.drives import COLUMNS, is_udacity, read_udacity

STEERING = [0.0, -0.25, 0.5, 0.05]
FOREIGN = [
    "IMG/{}",
    "/Users/someone/Self-Driving Car/IMG/{}",
    "C:\\Users\\someone\\sim\\IMG\\{}",
    " IMG/{}",
]


def image_name(index, camera="center"):
    time = datetime(2016, 12, 1, 23, 59, 59) + timedelta(milliseconds=100 * index)
    return f"{camera}_{time:%Y_%m_%d_%H_%M_%S}_{time.microsecond // 1000:03d}.jpg"


def line(index, path="IMG/{}", name=None):
    name = image_name(index) if name is None else name
    sides = (path.format(image_name(index, side)) for side in ("left", "right"))
    steering = STEERING[index % len(STEERING)]
    return ",".join([path.format(name), *sides, str(steering), "0.5", "0", "22.14829"])


def write_recording(folder, lines, images=20, header=False):
    (folder / "IMG").mkdir(parents=True)
    picture = Image.new("RGB", (8, 4))
    for index in range(images):
        picture.save(folder / "IMG" / image_name(index))
    text = "\n".join(([",".join(COLUMNS)] if header else []) + lines) + "\n"
    (folder / "driving_log.csv").write_text(text)
    return folder


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("path", FOREIGN)
def test_central_images_steering_and_time_arrive_in_order(tmp_path, path, header):
    write_recording(tmp_path, [line(index, path) for index in range(20)], header=header)
    assert is_udacity(tmp_path)
    drive = read_udacity(tmp_path)
    assert drive.images == [f"IMG/{image_name(index)}" for index in range(20)]
    np.testing.assert_array_equal(drive.angles, STEERING * 5)
    np.testing.assert_allclose(np.diff(drive.seconds), 0.1, atol=1e-6)  # over midnight
    assert not any(drive.dropped.values())


@pytest.mark.parametrize("mark", ["", "\ufeff"])  # some editors begin a file with one
def test_columns_are_found_by_their_names(tmp_path, mark):
    lines = [f"{mark}steering,center", *(f"0.25,{image_name(index)}" for index in range(3))]
    drive = read_udacity(write_recording(tmp_path, lines))
    assert drive.images == [f"IMG/{image_name(index)}" for index in range(3)]
    assert drive.angles.tolist() == [0.25] * 3


def test_names_without_a_time_are_taken_at_the_rate_of_the_simulator(tmp_path):
    lines = [line(index, name=f"frame{index}.jpg") for index in range(3)]
    lines[1] = "cut,off"  # its time is not
    drive = read_udacity(write_recording(tmp_path, lines))
    np.testing.assert_allclose(drive.seconds, [0, 2 / 15])
    assert "15 frames a second assumed" in drive.clock
    assert drive.dropped["malformed line"] == 1


@pytest.mark.parametrize("damaged", ["cut,off", "a,b,c,nan,0,0,0", "a,b,c,inf,0,0,0", ",,,0,0,0,0"])
def test_malformed_lines_are_counted(tmp_path, damaged):
    drive = read_udacity(write_recording(tmp_path, [line(0), damaged, line(1)]))
    assert len(drive.images) == 2
    assert drive.dropped == {"malformed line": 1}


def test_decimal_commas_are_refused_rather_than_read_as_zero(tmp_path):
    write_recording(tmp_path, [line(0), "c,l,r,0,05,0,0,22,1"])
    with pytest.raises(TransferError, match="decimal point"):
        read_udacity(tmp_path)


@pytest.mark.parametrize("name", ["..", "IMG/..", "a\0b", "IMG/", "x" * 300])
def test_a_name_outside_the_folder_is_refused(tmp_path, name):
    write_recording(tmp_path, [line(0), f"{name},l,r,0,0,0,0"])
    with pytest.raises(TransferError, match="plain file inside"):
        read_udacity(tmp_path)


@pytest.mark.parametrize("linked", ["IMG", "driving_log.csv"])
def test_a_link_in_place_of_a_folder_or_the_log_is_refused(tmp_path, linked):
    write_recording(tmp_path / "drive", [line(0)])
    (tmp_path / "drive" / linked).rename(tmp_path / "elsewhere")
    (tmp_path / "drive" / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransferError, match="a link"):
        read_udacity(tmp_path / "drive")


@pytest.mark.parametrize("text", ["", "\n\n", "center,steering\n", "not,a,log\n", '"', "\xff"])
def test_a_log_without_usable_lines_is_refused(tmp_path, text):
    write_recording(tmp_path, [])
    (tmp_path / "driving_log.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(TransferError, match="driving_log"):
        read_udacity(tmp_path)
