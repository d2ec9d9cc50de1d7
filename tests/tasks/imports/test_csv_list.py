"""A CSV of paths and labels is read or refused in one sentence; no path leads out of its folder."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.csv_list import is_csv_list, read_csv_list

LINES = [f"shots/{i // 10}/{i % 10}.jpg,{('cup', 'plate')[i // 3 % 2]}" for i in range(100)]


def listed(folder, *lines, header="path,label"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "list.csv"
    path.write_text("\n".join([header, *lines] if header else lines))
    return path


def labels_of(found):
    return {
        path: found.classes[label]
        for split, paths in found.images.items()
        for path, label in zip(paths, found.labels[split], strict=True)
    }


@pytest.mark.parametrize("header", ["path,label", "\ufeffFile , CLASS", "image,label", None])
def test_paths_and_labels_arrive_together(tmp_path, header):
    src = listed(tmp_path, *LINES, header=header)
    assert is_csv_list(src)
    found = read_csv_list(src)
    assert found.classes == ("cup", "plate")
    expected = dict(line.split(",") for line in LINES)
    assert {str(p.relative_to(tmp_path)): y for p, y in labels_of(found).items()}.items() <= (
        expected.items()
    )
    assert [len(of) for of in found.images.values()] == [78, 8, 10]  # in the order of the paths
    assert found.images["train"][11] == tmp_path / "shots/1/1.jpg"
    assert found.recordings is None


def test_columns_may_stand_anywhere_and_others_are_not_looked_at(tmp_path):
    lines = [",".join(["x", *reversed(line.split(",")), ""]) for line in LINES]
    found = read_csv_list(listed(tmp_path, *lines, header="who,label,path,note"))
    assert labels_of(found) == labels_of(read_csv_list(listed(tmp_path, *LINES)))


def test_backslashes_of_another_system_are_separators(tmp_path):
    lines = [line.replace("/", "\\") for line in LINES]
    found = read_csv_list(listed(tmp_path, *lines))
    assert labels_of(found) == labels_of(read_csv_list(listed(tmp_path, *LINES)))


def test_a_split_is_taken_as_it_is(tmp_path):
    names = ("train", "Val", "validation", "test")
    lines = [f"{line},{names[i % 4]}" for i, line in enumerate(LINES)]
    found = read_csv_list(listed(tmp_path, *lines, header="path,label,split"))
    assert [len(of) for of in found.images.values()] == [25, 50, 25]
    with pytest.raises(TransferError, match="column split"):
        read_csv_list(tmp_path / "list.csv", "(.)")
    with pytest.raises(TransferError, match="'dev'"):
        read_csv_list(listed(tmp_path, f"{LINES[0]},dev", header="path,label,split"))
    with pytest.raises(TransferError, match="for valid"):
        read_csv_list(listed(tmp_path, f"{LINES[0]},train", header="path,label,split"))


def test_groups_come_from_a_column_or_a_pattern(tmp_path):
    lines = [f"{line},{line[6]}" for line in LINES]
    column = read_csv_list(listed(tmp_path, *lines, header="path,label,group"))
    pattern = read_csv_list(listed(tmp_path, *LINES), "shots/([0-9])/")
    for split, paths in column.images.items():
        assert paths == pattern.images[split]
        groups = [int(path.parent.name) for path in paths]
        np.testing.assert_array_equal(column.recordings[split], groups)
    assert [len(of) for of in column.images.values()] == [80, 10, 10]


def test_a_repeated_line_is_counted_and_a_contradiction_refused(tmp_path):
    found = read_csv_list(listed(tmp_path, *LINES, LINES[0]))
    assert found.dropped["repeated line"] == 1
    assert sum(map(len, found.images.values())) + sum(found.dropped.values()) == 101
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


def test_links_are_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/0.jpg").touch()
    src = listed(tmp_path / "src", *LINES, "link/0.jpg,cup")
    (tmp_path / "src/link").symlink_to(tmp_path / "outside")
    with pytest.raises(TransferError, match="plain file inside"):
        read_csv_list(src)
    src = listed(tmp_path / "src", *LINES, "one.jpg,cup")
    (tmp_path / "src/one.jpg").symlink_to(tmp_path / "outside/0.jpg")
    with pytest.raises(TransferError, match="plain file inside"):
        read_csv_list(src)


@pytest.mark.parametrize(
    ("lines", "header", "words"),
    [
        ((), "path,label", "a line for each image"),
        ((), None, "path and label"),
        (LINES, "path,kind", "Received: 'path,.*kind'"),
        ([line.replace(",", ";") for line in LINES], "path;label", "separated by commas"),
        (["a.jpg"], "path,label", "2 columns in line 2"),
        (["a.jpg,"], "path,label", "a label of 1"),
        ([",cup"], "path,label", "a path of 1"),
        (["a.jpg," + "9" * 5000], "path,label", "a label of 1"),
        (['a.jpg,"cup"x'], "path,label", "comma-separated lines"),
        (LINES, "path,file,label", "once in the header"),
        ([f"{i}.jpg,{i % 20}" for i in range(100)], "path,label", "20 images of every class"),
    ],
)
def test_damage_is_named(tmp_path, lines, header, words):
    with pytest.raises(TransferError, match=words):
        read_csv_list(listed(tmp_path, *lines, header=header))
