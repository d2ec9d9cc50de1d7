"""Folders of images are listed by class and split by the order of names."""

import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.folders import is_image_folders, read_image_folders


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_split(src, valid="valid", classes=("cat", "dog")):
    for split in ("train", valid, "test"):
        touch(*(src / split / name / f"{i}.jpg" for name in classes for i in range(3)))
    return src


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "Val"])
def test_folders_that_are_split_are_taken_as_they_are(tmp_path, valid):
    src = write_split(tmp_path, valid)
    touch(src / "test/cat/10.PNG", src / "test/cat/notes.txt")
    assert is_image_folders(src)
    found = read_image_folders(src)
    assert found.classes == ("cat", "dog")
    assert [path.name for path in found.images["test"][:4]] == ["0.jpg", "1.jpg", "2.jpg", "10.PNG"]
    assert {path.parent.parent.name for path in found.images["valid"]} == {valid}
    assert found.labels["test"].tolist() == [0] * 4 + [1] * 3
    for split, images in found.images.items():
        classes = [found.classes[label] for label in found.labels[split]]
        assert [path.parent.name for path in images] == classes
    assert sum(found.dropped.values()) == 1  # the notes


def test_small_classes_are_not_split(tmp_path):
    touch(*(tmp_path / "cat" / f"{i}.png" for i in range(20)))
    touch(*(tmp_path / "dog" / f"{i}.png" for i in range(19)))
    with pytest.raises(TransferError, match="19 of 'dog'"):
        read_image_folders(tmp_path)


def test_one_class_is_no_task(tmp_path):
    touch(*(tmp_path / "cat" / f"{i}.png" for i in range(20)))
    with pytest.raises(TransferError, match="two or more classes"):
        read_image_folders(tmp_path)


def test_classes_and_splits_that_do_not_match_are_named(tmp_path):
    src = write_split(tmp_path / "a")
    touch(src / "valid/bird/0.jpg")
    with pytest.raises(TransferError, match="'bird' in one of them"):
        read_image_folders(src)
    src = write_split(tmp_path / "b")
    touch(src / "val/cat/0.jpg")
    with pytest.raises(TransferError, match="one folder each"):
        read_image_folders(src)
    touch(tmp_path / "c/train/cat/0.jpg", tmp_path / "c/test/cat/0.jpg")
    with pytest.raises(TransferError, match="Received: test, train"):
        read_image_folders(tmp_path / "c")
    src = write_split(tmp_path / "d")
    (src / "test/dog/0.jpg").rename(src / "kept.jpg")
    for image in (src / "test/dog").iterdir():
        image.unlink()
    with pytest.raises(TransferError, match=r"images in .*test/dog"):
        read_image_folders(src)


def test_links_are_refused(tmp_path):
    src = write_split(tmp_path / "src")
    touch(tmp_path / "secret.jpg")
    (src / "test/cat/7.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(TransferError, match="plain file inside"):
        read_image_folders(src)


def test_other_folders_hold_no_classes(tmp_path):
    touch(tmp_path / "a.jpg", tmp_path / "notes/readme.txt", tmp_path / ".cache/b.jpg")
    assert not is_image_folders(tmp_path)


def test_folders_inside_a_class_are_counted_apart_from_other_files(tmp_path):
    touch(*(tmp_path / name / f"{i}.png" for name in "ab" for i in range(20)))
    touch(tmp_path / "a/inner/0.png", tmp_path / "a/notes.txt")
    dropped = read_image_folders(tmp_path).dropped
    assert dropped["folder inside a class"] == 1
    assert dropped["no .jpg, .jpeg or .png"] == 1


def test_a_group_stays_together_across_classes(tmp_path):
    for name in ("cat", "dog"):
        touch(*(tmp_path / name / f"house{h}_{i}.jpg" for h in range(10) for i in range(3)))
    found = read_image_folders(tmp_path, r"(house[0-9]+)_")
    houses = {
        split: {path.name.split("_")[0] for path in paths} for split, paths in found.images.items()
    }
    assert {split: len(of) for split, of in houses.items()} == {"train": 8, "valid": 1, "test": 1}
    assert len(set.union(*houses.values())) == 10
    for split, paths in found.images.items():
        numbers = {path.name.split("_")[0]: set() for path in paths}
        for path, number in zip(paths, found.recordings[split], strict=True):
            numbers[path.name.split("_")[0]].add(int(number))
        assert all(len(of) == 1 for of in numbers.values())


def test_what_is_split_has_no_groups(tmp_path):
    with pytest.raises(TransferError, match="split already"):
        read_image_folders(write_split(tmp_path), "(.)")
