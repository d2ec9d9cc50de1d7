"""Whatever is imported becomes a data set split by time, or nothing is written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.tub_files import FRAMES, angle_of, picture, records_of_v2, write_v1, write_v2
from transfer.errors import TransferError
from transfer.tasks.dataset import load_dataset
from transfer.tasks.imports.importers import (
    check_group,
    import_data,
    parse_ratios,
    parse_size,
)

REAL_TUB = Path(__file__).parents[3] / "../shared/data/donkey-tub"
SETTINGS = {"stretch_seconds": 1.0, "gap_seconds": 0.2, "height": 6, "width": 8}


def frames_of(split):
    """Which frames of the tub a split holds: the pictures are their own numbers."""
    pixels = split.images[:, 0, 0].astype(int)
    return pixels[:, 0] + 256 * pixels[:, 1]


@pytest.mark.parametrize("version", ["v2", "v1", "v1 without a clock"])
def test_images_and_labels_arrive_together(tmp_path, version):
    tub = tmp_path / "tub"
    write_v2(tub) if version == "v2" else write_v1(tub, clock=version == "v1")
    summary = import_data(tub, tmp_path / "out", **SETTINGS)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.name == "out"
    assert dataset.frames
    for name, split in dataset.splits.items():
        expected = [{0.0: 0, -0.5: 1, 0.5: 2, 0.05: 0}[angle_of(i)] for i in frames_of(split)]
        np.testing.assert_array_equal(split.labels, expected)
        assert summary.counts[name] == tuple(np.bincount(split.labels))
    kept = sum(map(sum, summary.counts.values()))
    assert kept + sum(summary.dropped.values()) == summary.records == FRAMES
    assert ("20 frames a second assumed" in summary.lines()[1]) == (
        version[3:] == "without a clock"
    )


def test_splits_are_apart_in_time_and_no_recording_is_in_two(tmp_path):
    import_data(write_v2(tmp_path / "tub"), tmp_path / "out", **SETTINGS)
    splits = list(load_dataset(tmp_path / "out").splits.values())
    for one in range(3):
        for other in range(one):
            times = frames_of(splits[one])[:, None], frames_of(splits[other])
            assert np.abs(times[0] - times[1]).min() * 0.05 >= 0.2
            assert not set(splits[one].recordings) & set(splits[other].recordings)


def test_the_split_is_eighty_ten_ten_and_deterministic(tmp_path):
    tub = write_v2(tmp_path / "tub")
    summary = import_data(tub, tmp_path / "a", **SETTINGS | {"gap_seconds": 0.0})
    assert [sum(counts) for counts in summary.counts.values()] == [320, 40, 40]
    import_data(tub, tmp_path / "b", **SETTINGS | {"gap_seconds": 0.0})
    for file in (tmp_path / "a").iterdir():
        if file.suffix == ".npy":
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_ratios_of_a_drive_may_be_others(tmp_path):
    tub = write_v2(tmp_path / "tub")
    settings = SETTINGS | {"gap_seconds": 0.0, "ratios": (0.6, 0.2, 0.2)}
    summary = import_data(tub, tmp_path / "a", **settings)
    assert [sum(counts) for counts in summary.counts.values()] == [240, 80, 80]


def write_tubs(folder, count):
    """Tubs whose pictures are numbered through: frame i of tub t is 400 t + i."""
    for number in range(count):
        tub = write_v2(folder / f"tub_{number}")
        for index in range(FRAMES):
            path = tub / "images" / f"{index}_cam_image_array_.png"
            picture(FRAMES * number + index).save(path)
    return folder


def test_several_tubs_are_one_data_set_and_each_is_in_one_split(tmp_path):
    settings = SETTINGS | {"ratios": (0.6, 0.2, 0.2)}
    src = write_tubs(tmp_path / "tubs", 5)
    summary = import_data(src, tmp_path / "out", **settings)
    dataset = load_dataset(tmp_path / "out")
    tubs = [set(frames_of(split) // FRAMES) for split in dataset.splits.values()]
    assert [len(numbers) for numbers in tubs] == [3, 1, 1]
    assert set.union(*tubs) == set(range(5))
    for split in dataset.splits.values():
        expected = np.unique(frames_of(split) // FRAMES, return_inverse=True)[1]
        np.testing.assert_array_equal(np.unique(split.recordings, return_inverse=True)[1], expected)
        angles = [{0.0: 0, -0.5: 1, 0.5: 2, 0.05: 0}[angle_of(i)] for i in frames_of(split)]
        np.testing.assert_array_equal(split.labels, angles)
    assert summary.records == 5 * FRAMES
    assert "5 recordings" in summary.lines()


def test_two_tubs_are_split_by_time_and_never_share_a_recording(tmp_path):
    src = write_tubs(tmp_path / "tubs", 2)
    (src / "notes").mkdir()
    summary = import_data(src, tmp_path / "out", **SETTINGS)
    assert any("split by stretches of 1 s" in line for line in summary.lines())
    for split in load_dataset(tmp_path / "out").splits.values():
        tub_of = frames_of(split) // FRAMES
        for recording in np.unique(split.recordings):
            frames = frames_of(split)[split.recordings == recording]
            assert (np.diff(frames) == 1).all()
        assert set(tub_of) == {0, 1} or len(tub_of) < FRAMES


def test_a_damaged_tub_among_others_is_left_out_and_listed(tmp_path):
    src = write_tubs(tmp_path / "tubs", 3)
    (src / "tub_1/catalog_0.catalog").write_text("{")
    (src / "tub_3").symlink_to(src / "tub_0")
    import_data(src, tmp_path / "out", **SETTINGS)
    table = pd.read_csv(tmp_path / "out/left-out.csv")
    assert table["file"].tolist() == ["tub_3", "tub_1"]
    assert "a link" in table["reason"][0]
    assert "damaged" in table["reason"][1]
    frames = [
        frames_of(split) // FRAMES for split in load_dataset(tmp_path / "out").splits.values()
    ]
    assert set(np.concatenate(frames)) == {0, 2}


def test_the_dead_zone_decides_what_is_forward(tmp_path):
    tub = write_v2(tmp_path / "tub")
    import_data(tub, tmp_path / "out", **SETTINGS, dead_zone=0.04)
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
    summary = import_data(tub, tmp_path / "out", **settings)
    assert {reason: count for reason, count in summary.dropped.items() if count} == {
        "deleted in the tub": 2,
        "malformed record": 2,
        "driven by a pilot": 1,
        "image missing or unreadable": 2,
    }
    assert sum(map(sum, summary.counts.values())) == FRAMES - 7


def test_a_hostile_tub_leaves_nothing_behind(tmp_path):
    records = records_of_v2()
    records[5]["cam/image_array"] = "../secret.png"
    with pytest.raises(TransferError, match="plain file inside"):
        import_data(write_v2(tmp_path / "tub", records), tmp_path / "out", **SETTINGS)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "tub"]


def write_udacity(folder):
    (folder / "IMG").mkdir(parents=True)
    lines = []
    for index in range(FRAMES):
        name = f"center_2016_12_01_13_30_{index // 20:02d}_{index % 20 * 50:03d}.jpg"
        picture(index).save(folder / "IMG" / name, "PNG")  # lossless, to read the number back
        lines.append(f"C:\\sim\\IMG\\{name},left.jpg,right.jpg,{angle_of(index)},1,0,9")
    (folder / "driving_log.csv").write_text("\n".join(lines))
    return folder


def test_a_recording_of_the_simulator_is_the_same_drive_as_a_tub(tmp_path):
    settings = SETTINGS | {"gap_seconds": 0.22}  # between two frames, whatever the rounding
    import_data(write_udacity(tmp_path / "sim"), tmp_path / "a", **settings)
    import_data(write_v2(tmp_path / "tub"), tmp_path / "b", **settings)
    one, other = load_dataset(tmp_path / "a"), load_dataset(tmp_path / "b")
    for name in one.splits:
        np.testing.assert_array_equal(one.splits[name].images, other.splits[name].images)
        np.testing.assert_array_equal(one.splits[name].labels, other.splits[name].labels)
        np.testing.assert_array_equal(one.splits[name].recordings, other.splits[name].recordings)
    recipe = json.loads((tmp_path / "a/dataset.json").read_text())["recipe"]
    assert recipe["importer"] == "udacity"


def test_the_first_unreadable_image_of_a_drive_is_named(tmp_path):
    sim = write_udacity(tmp_path / "sim")
    damaged = sorted((sim / "IMG").iterdir())[2]
    damaged.write_bytes(b"cut")
    summary = import_data(sim, tmp_path / "out", **SETTINGS)
    assert summary.dropped["image missing or unreadable"] == 1
    assert any(damaged.name in line for line in summary.lines())


def test_a_linked_image_of_a_tub_is_left_out(tmp_path):
    tub = write_v2(tmp_path / "tub")
    linked = tub / "images/7_cam_image_array_.png"
    linked.rename(tmp_path / "elsewhere.png")
    linked.symlink_to(tmp_path / "elsewhere.png")
    import_data(tub, tmp_path / "out", **SETTINGS)
    table = pd.read_csv(tmp_path / "out/left-out.csv")
    assert table["file"].tolist() == ["images/7_cam_image_array_.png"]
    assert "a link" in table["reason"][0]


def write_folders(folder):
    """Frames numbered through the classes, as a drive sorted into folders has them."""
    for index in range(300):
        inside = folder / ("forward", "left")[index // 7 % 2]
        inside.mkdir(parents=True, exist_ok=True)
        picture(index).save(inside / f"frame{index}.png")
    return folder


def test_folders_of_images_become_a_data_set_of_their_classes(tmp_path):
    summary = import_data(write_folders(tmp_path / "src"), tmp_path / "out", height=12, width=16)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.classes == ("forward", "left")
    assert (dataset.height, dataset.width) == (12, 16)
    kept = []
    for name, split in dataset.splits.items():
        frames = frames_of(split)
        np.testing.assert_array_equal(split.labels, frames // 7 % 2)
        np.testing.assert_array_equal(frames, np.arange(frames[0], frames[-1] + 1))
        assert summary.counts[name] == tuple(np.bincount(split.labels))
        kept += list(frames)
        table = pd.read_csv(tmp_path / "out" / f"{name}_files.csv")
        assert table["index"].tolist() == list(range(len(frames)))
        expected = [f"{('forward', 'left')[i // 7 % 2]}/frame{i}.png" for i in frames]
        assert table["file"].tolist() == expected
    assert dataset.frames
    assert summary.records == 300 == len(kept) + summary.dropped["next to another split"]
    assert "order of time" in "\n".join(summary.lines())


def test_unreadable_images_of_a_folder_are_left_out_and_all_named(tmp_path):
    src = write_folders(tmp_path / "src")
    broken = [src / "forward" / f"frame{index}.png" for index in (0, 1, 2, 3, 4, 5, 6)]
    for path in broken:
        path.write_bytes(b"\x89PNG cut")
    summary = import_data(src, tmp_path / "out", height=12, width=16)
    assert summary.dropped["image missing or unreadable"] == 7
    text = "\n".join(summary.lines())
    assert "forward/frame0.png" in text
    assert "and 2 more" in text
    table = pd.read_csv(tmp_path / "out/left-out.csv")
    assert table["file"].tolist() == [f"forward/{path.name}" for path in broken]
    assert table["reason"].str.contains("Expected an image").all()
    train = load_dataset(tmp_path / "out").train
    assert frames_of(train).min() == 7
    np.testing.assert_array_equal(train.labels, frames_of(train) // 7 % 2)


def test_a_folder_without_a_readable_image_is_named_and_nothing_written(tmp_path):
    src = write_folders(tmp_path / "src")
    for path in src.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(TransferError, match="Expected images that can be read"):
        import_data(src, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [src]


def test_a_list_with_groups_becomes_a_data_set_with_recordings(tmp_path):
    src = write_folders(tmp_path / "src")
    paths = sorted(path.relative_to(src) for path in src.rglob("*.png"))
    lines = [f"{path},{path.parent},{int(path.stem[5:]) // 15}" for path in paths]
    (src / "list.csv").write_text("\n".join(["file,class,group", *lines]))
    import_data(src / "list.csv", tmp_path / "out", height=12, width=16)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.classes == ("forward", "left")
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.recordings, frames_of(split) // 15)
        np.testing.assert_array_equal(split.labels, frames_of(split) // 7 % 2)
    assert json.loads((tmp_path / "out/dataset.json").read_text())["recipe"]["importer"] == "csv"


def test_photographs_without_groups_are_no_frames(tmp_path):
    for label in ("cup", "plate"):
        (tmp_path / "src" / label).mkdir(parents=True)
        for index in range(40):
            picture(index).save(tmp_path / "src" / label / f"{label}_{index}.png")
    for options in ({}, {"stratified": True}, {"ratios": (0.6, 0.2, 0.2)}):
        out = tmp_path / f"out{len(str(options))}"
        import_data(tmp_path / "src", out, height=12, width=16, name="kitchen", **options)
        dataset = load_dataset(out)
        assert dataset.name == "kitchen"
        assert not dataset.frames
        assert dataset.test.recordings is None
        assert len(np.unique(dataset.test_clusters)) == len(dataset.test.labels)


def test_a_name_that_a_spreadsheet_takes_for_a_formula_is_still_a_path(tmp_path):
    src = write_folders(tmp_path / "src")
    listed = [f"{path.relative_to(src)},{path.parent.name}" for path in src.glob("*/*")]
    (src / "left").rename(src / "=cmd")
    text = "\n".join(["path,label", *listed]).replace("left/", "=cmd/")
    (src / "list.csv").write_text(text)
    import_data(src / "list.csv", tmp_path / "out", height=12, width=16)
    files = pd.read_csv(tmp_path / "out/train_files.csv")["file"]
    assert files.str.startswith(("./=cmd/", "forward/")).all()
    assert all((src / file).is_file() for file in files)


def test_a_class_that_is_called_like_a_formula_is_refused(tmp_path):
    src = write_folders(tmp_path / "src")
    (src / "left").rename(src / "=cmd")
    with pytest.raises(TransferError, match="different names, no formulas"):
        import_data(src, tmp_path / "out", height=12, width=16)
    assert not (tmp_path / "out").exists()


def test_a_stretched_shape_is_told_and_a_better_one_is_not(tmp_path):
    src = write_folders(tmp_path / "src")  # 12x16
    stretched = import_data(src, tmp_path / "a", height=45, width=80).lines()[2]
    assert "images of 12x16 pixels" in stretched
    assert "--size 48x64" in stretched
    assert "stretched" not in import_data(src, tmp_path / "b", height=48, width=64).lines()[2]


@pytest.mark.parametrize(
    ("sides", "size"),
    [((160, 320), "48x96"), ((120, 160), "48x64"), ((66, 200), "32x96"), ((4000, 3000), "64x48")],
)
def test_the_size_that_is_suggested_does_not_stretch(tmp_path, sides, size):
    src = tmp_path / "src"
    for index in range(60):
        (src / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        small = Image.new("RGB", (sides[1] // 2, sides[0] // 2), (index, 0, 0))
        small.save(src / "ab"[index % 2] / f"{index}.png")
    assert f"--size {size} " in import_data(src, tmp_path / "a", height=45, width=80).lines()[2]
    height, width = parse_size(size)
    assert (
        "stretched" not in import_data(src, tmp_path / "b", height=height, width=width).lines()[2]
    )


def test_a_drive_has_no_groups(tmp_path):
    with pytest.raises(TransferError, match="split by time"):
        import_data(write_v2(tmp_path / "tub"), tmp_path / "out", group=check_group("(.)"))


def test_a_link_to_a_source_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(write_v2(tmp_path / "tub"))
    assert import_data(tmp_path / "link", tmp_path / "out", **SETTINGS).records == FRAMES


def test_what_cannot_be_imported_is_named(tmp_path):
    for src in (tmp_path, tmp_path / "absent"):
        with pytest.raises(
            TransferError, match="Donkeycar tub .* simulator .* each class.* .csv file"
        ):
            import_data(src, tmp_path / "out")


def test_a_source_that_cannot_be_looked_at_is_named(tmp_path):
    with pytest.raises(TransferError, match="Expected a folder at"):
        import_data(tmp_path / ("x" * 300), tmp_path / "out")


def test_a_group_of_a_name_keeps_images_together(tmp_path):
    src = write_folders(tmp_path / "src")
    group = check_group("([0-9])[.]png")
    import_data(src, tmp_path / "out", height=12, width=16, group=group)
    for split in load_dataset(tmp_path / "out").splits.values():
        np.testing.assert_array_equal(split.recordings, frames_of(split) % 10)


@pytest.mark.parametrize("pattern", ["(", "x", "(?P<a>x)(?P<a>y)"])
def test_a_pattern_without_meaning_is_refused(pattern):
    with pytest.raises(TransferError, match="regular expression|parenthesis"):
        check_group(pattern)


@pytest.mark.parametrize("pattern", ["(q)", "(q*)"])
def test_a_name_without_a_group_is_named(tmp_path, pattern):
    src = write_folders(tmp_path / "src")
    with pytest.raises(TransferError, match="nothing in 'forward/frame0.png'"):
        import_data(src, tmp_path / "out", group=check_group(pattern))


@pytest.mark.parametrize("text", ["", "80", "80,10", "80,10,20", "80,20,0", "80;10;10", "-1,50,51"])
def test_ratios_without_meaning_are_refused(text):
    assert parse_ratios("70,20,10") == (0.7, 0.2, 0.1)
    with pytest.raises(TransferError, match="80,10,10"):
        parse_ratios(text)


@pytest.mark.parametrize("text", ["", "45", "0x80", "45x", "45x80x3", "4097x1", "-1x8", "٤x٨"])
def test_a_size_without_meaning_is_refused(text):
    assert parse_size("45x80") == (45, 80)
    with pytest.raises(TransferError, match="Expected HxW"):
        parse_size(text)


def test_a_drive_without_all_classes_is_refused(tmp_path):
    records = [record | {"user/angle": 0.0} for record in records_of_v2()]
    with pytest.raises(TransferError, match="in train, valid and test"):
        import_data(write_v2(tmp_path / "tub", records), tmp_path / "out", **SETTINGS)


@pytest.mark.parametrize(
    "setting", [("dead_zone", 1.0), ("stretch_seconds", 0), ("gap_seconds", -1)]
)
def test_settings_without_meaning_are_refused(tmp_path, setting):
    with pytest.raises(TransferError, match="dead_zone < 1"):
        import_data(tmp_path, tmp_path / "out", **dict([setting]))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_TUB.is_dir(), reason="needs the real tub beside the project")
def test_a_real_drive_has_all_classes_everywhere(tmp_path):
    summary = import_data(REAL_TUB, tmp_path / "donkey")
    dataset = load_dataset(tmp_path / "donkey")
    assert summary.records == 16_856
    for split in dataset.splits.values():
        shares = np.bincount(split.labels) / len(split.labels)
        np.testing.assert_allclose(shares, [0.61, 0.078, 0.312], atol=0.02)
