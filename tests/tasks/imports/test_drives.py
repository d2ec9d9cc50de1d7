"""A tub is read record by record in the order it was driven; a hostile tub is refused."""

from pathlib import Path

import numpy as np
import pytest

from tests.tub_files import FRAMES, angle_of, records_of_v2, write_v1, write_v2
from transfer.errors import TransferError
from transfer.tasks.imports.drives import tub_reader


def read(tub):
    return tub_reader(tub)(tub)


@pytest.mark.parametrize("version", ["v2", "v1", "v1 without a clock"])
def test_every_version_gives_images_angles_and_times_in_order(tmp_path, version):
    tub = tmp_path / "tub"
    drive = read(write_v2(tub) if version == "v2" else write_v1(tub, clock=version == "v1"))
    numbers = [int(Path(image).name.split("_")[0]) for image in drive.images]
    assert numbers == list(range(FRAMES))
    assert all((tub / image).is_file() for image in drive.images)
    np.testing.assert_array_equal(drive.angles, [angle_of(index) for index in range(FRAMES)])
    np.testing.assert_allclose(np.diff(drive.seconds), 0.05)
    assert ("assumed" in drive.clock) == (version == "v1 without a clock")


def test_another_folder_is_no_tub(tmp_path):
    assert tub_reader(tmp_path) is None
    assert tub_reader(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a\\b.png", "..", "", "a\0b", "x" * 300]
)
def test_an_image_outside_the_tub_is_refused(tmp_path, name):
    records = records_of_v2()
    records[5]["cam/image_array"] = name
    with pytest.raises(TransferError, match="plain file inside"):
        read(write_v2(tmp_path / "tub", records))


@pytest.mark.parametrize("linked", ["images", "catalog_0.catalog", "manifest.json"])
def test_a_folder_or_a_file_that_is_a_link_is_refused(tmp_path, linked):
    tub = write_v2(tmp_path / "tub")
    (tub / linked).rename(tmp_path / "elsewhere")
    (tub / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransferError, match="a link"):
        read(tub)


def test_a_catalog_named_twice_is_refused(tmp_path):
    names = ("catalog_0.catalog",) * 2
    with pytest.raises(TransferError, match="every catalog once"):
        read(write_v2(tmp_path / "tub", paths=names))


@pytest.mark.parametrize("name", ["catalog_0.catalog", "manifest.json"])
def test_a_line_of_megabytes_is_refused(tmp_path, name):
    tub = write_v2(tmp_path / "tub")
    with (tub / name).open("a") as stream:
        stream.write("[" + "{}," * (3 << 20) + "{}]\n")
    with pytest.raises(TransferError, match="Expected lines of at most"):
        read(tub)


@pytest.mark.parametrize("path", ["../catalog_0.catalog", 7, None])
def test_a_catalog_outside_the_tub_is_refused(tmp_path, path):
    with pytest.raises(TransferError, match="plain file inside"):
        read(write_v2(tmp_path / "tub", paths=(path,)))


@pytest.mark.parametrize("line", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_damaged_catalog_is_refused(tmp_path, line):
    tub = write_v2(tmp_path / "tub")
    (tub / "catalog_0.catalog").write_bytes(line.encode("latin-1") + b"\n")
    with pytest.raises(TransferError, match=r"catalog_0\.catalog"):
        read(tub)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"paths": []}', '{"paths": 3}'])
def test_a_damaged_manifest_is_refused(tmp_path, text):
    tub = write_v2(tmp_path / "tub")
    (tub / "manifest.json").write_text(text)
    with pytest.raises(TransferError, match="Expected"):
        read(tub)


@pytest.mark.parametrize("index", [{}, [], None, "3", 0.5])
def test_an_index_that_is_no_number_is_no_deleted_one(tmp_path, index):
    records = records_of_v2()
    records[5]["_index"] = index
    assert len(read(write_v2(tmp_path / "tub", records)).images) == FRAMES
