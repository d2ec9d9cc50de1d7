"""A tub becomes a data set split by time; a hostile tub is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.errors import TransferError
from transfer.tasks.blocks import driving_clock, split_by_blocks
from transfer.tasks.dataset import load_dataset
from transfer.tasks.importers import detect_and_import, import_tub

REAL_TUB = Path(__file__).parents[2] / "../shared/data/donkey-tub"
FRAMES = 400  # 20 seconds at 20 frames a second
SETTINGS = {"block_seconds": 1.0, "gap_seconds": 0.2, "height": 6, "width": 8}


def angle_of(index):
    return (0.0, -0.5, 0.5, 0.05)[index % 4]


def picture(index):
    return Image.new("RGB", (16, 12), (index % 256, index // 256, 7))


def records_of_v2():
    return [
        {
            "_index": index,
            "_session_id": "s",
            "_timestamp_ms": 1_000_000 + 50 * index,
            "cam/image_array": f"{index}_cam_image_array_.png",
            "user/angle": angle_of(index),
            "user/mode": "user",
        }
        for index in range(FRAMES)
    ]


def write_v2(folder, records=None, deleted=(), paths=("catalog_0.catalog",)):
    (folder / "images").mkdir(parents=True)
    records = records_of_v2() if records is None else records
    for record in records_of_v2():
        picture(record["_index"]).save(folder / "images" / record["cam/image_array"])
    text = "\n".join(map(json.dumps, records)) + "\n"
    (folder / "catalog_0.catalog").write_text(text)
    last = {"paths": list(paths), "current_index": FRAMES, "deleted_indexes": list(deleted)}
    lines = [["cam/image_array"], ["image_array"], {}, {}, last]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def write_v1(folder, clock):
    folder.mkdir()
    for index in range(FRAMES):
        name = f"{index}_cam-image_array_.png"
        picture(index).save(folder / name)
        record = {"cam/image_array": name, "user/angle": angle_of(index), "user/mode": "user"}
        if clock:
            record["milliseconds"] = 50 * index
        (folder / f"record_{index}.json").write_text(json.dumps(record))
    return folder


def frames_of(split):
    """Which frames of the tub a split holds: the pictures are their own numbers."""
    pixels = split.images[:, 0, 0].astype(int)
    return pixels[:, 0] + 256 * pixels[:, 1]


@pytest.mark.parametrize("version", ["v2", "v1", "v1 without a clock"])
def test_images_and_labels_arrive_together(tmp_path, version):
    tub = tmp_path / "tub"
    write_v2(tub) if version == "v2" else write_v1(tub, clock=version == "v1")
    summary = detect_and_import(tub, tmp_path / "out", **SETTINGS)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.name == "out"
    for name, split in dataset.splits.items():
        expected = [{0.0: 0, -0.5: 1, 0.5: 2, 0.05: 0}[angle_of(i)] for i in frames_of(split)]
        np.testing.assert_array_equal(split.labels, expected)
        assert summary.counts[name] == tuple(np.bincount(split.labels))
    kept = sum(map(sum, summary.counts.values()))
    assert kept + sum(summary.dropped.values()) == summary.records == FRAMES
    assert ("20 frames a second assumed" in summary.lines()[0]) == (
        version[3:] == "without a clock"
    )


def test_splits_are_apart_in_time_and_no_recording_is_in_two(tmp_path):
    import_tub(write_v2(tmp_path / "tub"), tmp_path / "out", **SETTINGS)
    splits = list(load_dataset(tmp_path / "out").splits.values())
    for one in range(3):
        for other in range(one):
            times = frames_of(splits[one])[:, None], frames_of(splits[other])
            assert np.abs(times[0] - times[1]).min() * 0.05 >= 0.2
            assert not set(splits[one].recordings) & set(splits[other].recordings)


def test_the_split_is_eighty_ten_ten_and_deterministic(tmp_path):
    tub = write_v2(tmp_path / "tub")
    summary = import_tub(tub, tmp_path / "a", **SETTINGS | {"gap_seconds": 0.0})
    assert [sum(counts) for counts in summary.counts.values()] == [320, 40, 40]
    import_tub(tub, tmp_path / "b", **SETTINGS | {"gap_seconds": 0.0})
    for file in (tmp_path / "a").iterdir():
        if file.suffix == ".npy":
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_dead_zone_decides_what_is_forward(tmp_path):
    tub = write_v2(tmp_path / "tub")
    import_tub(tub, tmp_path / "out", **SETTINGS, dead_zone=0.04)
    train = load_dataset(tmp_path / "out").train
    assert (train.labels[frames_of(train) % 4 == 3] == 2).all()  # 0.05 is right now


def test_deleted_malformed_piloted_and_unreadable_records_are_counted(tmp_path):
    records = records_of_v2()
    records[10]["user/angle"] = float("nan")
    del records[11]["cam/image_array"]
    records[12]["user/mode"] = "local"
    tub = write_v2(tmp_path / "tub", records, deleted=[1, 2])
    (tub / "images/20_cam_image_array_.png").write_bytes(b"\x89PNG cut")
    (tub / "images/21_cam_image_array_.png").unlink()
    settings = SETTINGS | {"gap_seconds": 0.0}
    summary = import_tub(tub, tmp_path / "out", **settings)
    assert {reason: count for reason, count in summary.dropped.items() if count} == {
        "deleted in the tub": 2,
        "malformed record": 2,
        "driven by a pilot": 1,
        "image missing or unreadable": 2,
    }
    assert sum(map(sum, summary.counts.values())) == FRAMES - 7


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a\\b.png", "..", "", "a\0b", "x" * 300]
)
def test_an_image_outside_the_tub_is_refused(tmp_path, name):
    records = records_of_v2()
    records[5]["cam/image_array"] = name
    with pytest.raises(TransferError, match="plain file inside"):
        import_tub(write_v2(tmp_path / "tub", records), tmp_path / "out", **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_links_out_of_the_tub_are_refused(tmp_path):
    tub = write_v2(tmp_path / "tub")
    picture(0).save(tmp_path / "secret.png")
    image = tub / "images/5_cam_image_array_.png"
    image.unlink()
    image.symlink_to(tmp_path / "secret.png")
    with pytest.raises(TransferError, match="plain file inside"):
        import_tub(tub, tmp_path / "out", **SETTINGS)


@pytest.mark.parametrize("path", ["../catalog_0.catalog", 7, None])
def test_a_catalog_outside_the_tub_is_refused(tmp_path, path):
    with pytest.raises(TransferError, match="plain file inside"):
        import_tub(write_v2(tmp_path / "tub", paths=(path,)), tmp_path / "out", **SETTINGS)


@pytest.mark.parametrize("line", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_damaged_catalog_is_refused(tmp_path, line):
    tub = write_v2(tmp_path / "tub")
    (tub / "catalog_0.catalog").write_bytes(line.encode("latin-1") + b"\n")
    with pytest.raises(TransferError, match=r"catalog_0\.catalog"):
        import_tub(tub, tmp_path / "out", **SETTINGS)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"paths": []}', '{"paths": 3}'])
def test_a_damaged_manifest_is_refused(tmp_path, text):
    tub = write_v2(tmp_path / "tub")
    (tub / "manifest.json").write_text(text)
    with pytest.raises(TransferError, match="Expected"):
        import_tub(tub, tmp_path / "out", **SETTINGS)


def test_what_is_no_tub_is_named(tmp_path):
    for src in (tmp_path, tmp_path / "absent"):
        with pytest.raises(TransferError, match="Expected a Donkeycar tub"):
            detect_and_import(src, tmp_path / "out")


def test_a_drive_without_all_classes_is_refused(tmp_path):
    records = [record | {"user/angle": 0.0} for record in records_of_v2()]
    with pytest.raises(TransferError, match="in train, valid and test"):
        import_tub(write_v2(tmp_path / "tub", records), tmp_path / "out", **SETTINGS)


@pytest.mark.parametrize("setting", [("dead_zone", 1.0), ("block_seconds", 0), ("gap_seconds", -1)])
def test_settings_without_meaning_are_refused(tmp_path, setting):
    with pytest.raises(TransferError, match="dead_zone < 1"):
        import_tub(tmp_path, tmp_path / "out", **dict([setting]))


def test_the_clock_stands_still_in_pauses():
    seconds = np.array([0.0, 0.05, 0.10, 9.0, 9.05, 3.0, 3.05])
    clock, pauses = driving_clock(seconds, ["a"] * 7)
    np.testing.assert_allclose(clock, [0, 0.05, 0.10, 0.10, 0.15, 0.15, 0.20])
    np.testing.assert_array_equal(np.flatnonzero(pauses), [3, 5])
    _, pauses = driving_clock(np.arange(3) * 0.05, ["a", "b", "b"])
    np.testing.assert_array_equal(np.flatnonzero(pauses), [1])


def test_blocks_are_kept_apart_by_brute_force():
    rng = np.random.default_rng(0)
    clock = np.cumsum(rng.uniform(0.01, 0.2, 600))
    labels = rng.integers(0, 3, 600)
    split = split_by_blocks(clock, labels, 2.0, 0.5)
    assert set(split) == {-1, 0, 1, 2}
    apart = np.abs(clock[:, None] - clock)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert apart[np.ix_(split == one, split == other)].min() >= 0.5
    whole = split_by_blocks(clock, labels, 2.0, 0.0)
    places = {s: set((clock[whole == s] // 2).astype(int) % 10) for s in (0, 1, 2)}
    assert [len(places[s]) for s in (0, 1, 2)] == [8, 1, 1]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_TUB.is_dir(), reason="needs the real tub beside the project")
def test_a_real_drive_has_all_classes_everywhere(tmp_path):
    summary = detect_and_import(REAL_TUB, tmp_path / "donkey")
    dataset = load_dataset(tmp_path / "donkey")
    assert summary.records == 16_856
    for split in dataset.splits.values():
        shares = np.bincount(split.labels) / len(split.labels)
        np.testing.assert_allclose(shares, [0.61, 0.078, 0.312], atol=0.02)
