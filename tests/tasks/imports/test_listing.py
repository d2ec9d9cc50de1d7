"""A CSV of paths and labels is read or refused in one sentence; no path leads out of its folder."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.listing import in_order, is_csv_list, read_csv_list

LINES = [f"shots/{i // 10}/{i % 10}.jpg,{('cup', 'plate')[i // 3 % 2]}" for i in range(100)]


def listed(folder, *lines, header="path,label"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "list.csv"
    path.write_text("\n".join([header, *lines] if header else lines))
    return path


def labels_of(listing):
    return {
        image: listing.classes[label]
        for image, label in zip(listing.images, listing.labels, strict=True)
    }


@pytest.mark.parametrize("header", ["path,label", "\ufeffFile , CLASS", "image,label", None])
def test_paths_and_labels_arrive_together(tmp_path, header):
    src = listed(tmp_path, *LINES, header=header)
    assert is_csv_list(src)
    listing = read_csv_list(src)
    assert listing.src == tmp_path
    assert listing.classes == ("cup", "plate")
    assert labels_of(listing) == dict(line.split(",") for line in LINES)
    assert listing.names == listing.images
    assert listing.split is None
    assert listing.groups is None


def test_columns_may_stand_anywhere_and_others_are_not_looked_at(tmp_path):
    lines = [",".join(["x", *reversed(line.split(",")), ""]) for line in LINES]
    listing = read_csv_list(listed(tmp_path, *lines, header="who,label,path,note"))
    assert labels_of(listing) == labels_of(read_csv_list(listed(tmp_path, *LINES)))


def test_backslashes_of_another_system_are_separators(tmp_path):
    lines = [line.replace("/", "\\") for line in LINES]
    listing = read_csv_list(listed(tmp_path, *lines))
    assert labels_of(listing) == labels_of(read_csv_list(listed(tmp_path, *LINES)))


def test_a_split_is_taken_as_it_is(tmp_path):
    names = ("train", "Val", "validation", "test")
    lines = [f"{line},{names[i % 4]}" for i, line in enumerate(LINES)]
    listing = read_csv_list(listed(tmp_path, *lines, header="path,label,split"))
    np.testing.assert_array_equal(listing.split, [(0, 1, 1, 2)[i % 4] for i in range(100)])
    with pytest.raises(TransferError, match="'dev'"):
        read_csv_list(listed(tmp_path, f"{LINES[0]},dev", header="path,label,split"))


def test_groups_come_from_a_column(tmp_path):
    lines = [f"{line},{line[6]}" for line in LINES]
    listing = read_csv_list(listed(tmp_path, *lines, header="path,label,group"))
    assert listing.groups == [line[6] for line in LINES]


def test_a_repeated_line_is_counted_and_a_contradiction_refused(tmp_path):
    listing = read_csv_list(listed(tmp_path, *LINES, LINES[0]))
    assert listing.dropped["repeated line"] == 1
    assert len(listing.images) == 100
    with pytest.raises(TransferError, match="Line 102 has others for 'shots/0/0.jpg'"):
        read_csv_list(listed(tmp_path, *LINES, "shots/0/0.jpg,plate"))


@pytest.mark.parametrize(
    "path",
    ["../secret.jpg", "/etc/passwd", "/x.jpg", "a/../../x.jpg", "..", "shots/../x.jpg", "./x.jpg"],
)
def test_a_path_that_leads_out_is_refused(tmp_path, path):
    for written in (path, path.replace("/", "\\")):
        with pytest.raises(TransferError, match="plain file inside"):
            read_csv_list(listed(tmp_path, *LINES, f"{written},cup"))


@pytest.mark.parametrize("name", ["link/0.jpg", "link/deep/0.jpg"])
def test_images_behind_a_link_are_left_out(tmp_path, name):
    (tmp_path / "outside/deep").mkdir(parents=True)
    src = listed(tmp_path / "src", *LINES, f"{name},cup")
    (tmp_path / "src/link").symlink_to(tmp_path / "outside")
    listing = read_csv_list(src)
    assert listing.left_out == [(name, "its folder is a link")]
    assert labels_of(listing) == dict(line.split(",") for line in LINES)


def test_a_list_of_nothing_but_images_behind_a_link_is_refused(tmp_path):
    src = listed(tmp_path / "src", "link/0.jpg,cup", "link/1.jpg,plate")
    (tmp_path / "src/link").symlink_to(tmp_path)
    with pytest.raises(TransferError, match="has none whose folder is no link"):
        read_csv_list(src)


def test_numbers_in_names_are_ordered_as_numbers():
    names = ["a", "a0b", "a2", "a10", "a10b", "b1", "b01c", "b2"]
    assert sorted(["b2", "a10b", "a2", "b01c", "a10", "a", "b1", "a0b"], key=in_order) == names


@pytest.mark.parametrize(
    ("lines", "header", "words"),
    [
        ((), "path,label", "a line for each image"),
        ((), None, "a line for each image"),
        (LINES, "path,kind", "Received: 'path,.*kind'"),
        ([line.replace(",", ";") for line in LINES], "path;label", "separated by commas"),
        (["a.jpg"], "path,label", "2 columns in line 2"),
        (["a.jpg,"], "path,label", "a label of 1"),
        ([",cup"], "path,label", "a path of 1"),
        (["a.jpg," + "9" * 5000], "path,label", "a label of 1"),
        (['a.jpg,"cup"x'], "path,label", "comma-separated lines"),
        (['a.jpg,"cup', 'x"'], "path,label", "comma-separated lines"),
        (LINES, "path,file,label", "once in the header"),
    ],
)
def test_damage_is_named(tmp_path, lines, header, words):
    with pytest.raises(TransferError, match=words):
        read_csv_list(listed(tmp_path, *lines, header=header))
