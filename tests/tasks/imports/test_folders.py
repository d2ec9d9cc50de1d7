"""Folders of images are listed by class, whatever lies around and inside them."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.imports.listing import holds_images, read_image_folders


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_classes(src, classes=("cat", "dog"), count=3):
    touch(*(src / name / f"{i}.jpg" for name in classes for i in range(count)))
    return src


def write_split(src, splits=("train", "valid", "test"), classes=("cat", "dog")):
    for split in splits:
        write_classes(src / split, classes)
    return src


def classes_of(listing):
    return {
        image: listing.classes[label]
        for image, label in zip(listing.images, listing.labels, strict=True)
    }


def test_each_folder_is_a_class_and_nobody_has_split_it(tmp_path):
    listing = read_image_folders(write_classes(tmp_path, count=12))
    assert holds_images(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert classes_of(listing) == {f"{c}/{i}.jpg": c for c in ("cat", "dog") for i in range(12)}
    assert [name for name in listing.names if name == "10.jpg"] == ["10.jpg"] * 2
    assert listing.split is None
    assert listing.left_out == []


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "Val"])
def test_folders_that_are_split_are_taken_as_they_are(tmp_path, valid):
    listing = read_image_folders(write_split(tmp_path, ("train", valid, "test")))
    assert listing.classes == ("cat", "dog")
    number_of = {"train": 0, valid: 1, "test": 2}
    expected = [number_of[image.split("/")[0]] for image in listing.images]
    np.testing.assert_array_equal(listing.split, expected)
    assert all(image.split("/")[1] == name for image, name in classes_of(listing).items())
    assert listing.names[0] == "0.jpg"


@pytest.mark.parametrize(
    ("splits", "numbers"), [(("train", "val"), {0, 1}), (("train", "test"), {0, 2})]
)
def test_one_of_valid_and_test_may_be_missing(tmp_path, splits, numbers):
    assert set(read_image_folders(write_split(tmp_path, splits)).split.tolist()) == numbers


@pytest.mark.parametrize("around", ["images", "dataset/images", "train"])
def test_folders_around_the_classes_are_looked_through(tmp_path, around):
    write_classes(tmp_path / around)
    touch(tmp_path / "README.txt")
    listing = read_image_folders(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert listing.split is None
    assert listing.images[0] == f"{around}/cat/0.jpg"
    assert sum(listing.dropped.values()) == 1


def test_folders_around_the_splits_are_looked_through(tmp_path):
    write_split(tmp_path / "archive", ("train", "test"))
    assert set(read_image_folders(tmp_path).split.tolist()) == {0, 2}


def test_folders_inside_a_class_belong_to_it(tmp_path):
    write_classes(tmp_path)
    touch(tmp_path / "cat/2019/indoors/7.jpg", tmp_path / "dog/0/1.png")
    listing = read_image_folders(tmp_path)
    assert classes_of(listing)["cat/2019/indoors/7.jpg"] == "cat"
    assert classes_of(listing)["dog/0/1.png"] == "dog"
    assert "2019/indoors/7.jpg" in listing.names


def test_a_class_may_be_called_train(tmp_path):
    listing = read_image_folders(write_classes(tmp_path, ("bus", "train")))
    assert listing.classes == ("bus", "train")
    assert listing.split is None


def test_what_is_not_imported_is_listed_with_its_reason(tmp_path):
    src = write_split(tmp_path / "src")
    touch(tmp_path / "secret/0.jpg", src / "9.jpg", src / "notes/a.txt", src / "more/5.jpg")
    touch(src / ".cache/b.jpg", src / "__MACOSX/cat/c.jpg")
    (src / "test/cat/7.jpg").symlink_to(tmp_path / "secret/0.jpg")
    (src / "train/bird").symlink_to(tmp_path / "secret")
    listing = read_image_folders(src)
    assert dict(listing.left_out) == {
        "test/cat/7.jpg": "a link, which is not followed",
        "train/bird": "a link, which is not followed",
        "9.jpg": "in no folder of a class",
        "notes": "a folder without images",
        "more/5.jpg": "beside train, valid and test",
    }
    assert len(listing.images) == 18
    assert not any("secret" in image or "bird" in image for image in listing.images)


def test_every_kind_of_image_is_one_by_its_name(tmp_path):
    for kind in ("JPG", "jpeg", "png", "webp", "bmp", "tif", "TIFF", "gif", "txt", "heic"):
        touch(*(tmp_path / name / f"a.{kind}" for name in ("cat", "dog")))
    listing = read_image_folders(tmp_path)
    assert len(listing.images) == 16
    assert sum(listing.dropped.values()) == 4


def test_one_class_is_no_task(tmp_path):
    with pytest.raises(TransferError, match="two or more classes .* Received: 1"):
        read_image_folders(write_classes(tmp_path, ("cat",)))


def test_a_class_that_a_split_lacks_is_named(tmp_path):
    src = write_split(tmp_path)
    touch(src / "valid/bird/0.jpg")
    with pytest.raises(TransferError, match="no image of 'bird' in train"):
        read_image_folders(src)
    touch(src / "train/bird/0.jpg")
    with pytest.raises(TransferError, match="no image of 'bird' in test"):
        read_image_folders(src)


def test_other_folders_hold_no_classes(tmp_path):
    touch(tmp_path / "a.jpg", tmp_path / "notes/readme.txt", tmp_path / ".cache/b.jpg")
    assert not holds_images(tmp_path)


def test_a_tree_of_thousands_of_folders_in_each_other_is_walked(tmp_path):
    made = [tmp_path / "a"]
    try:
        for _ in range(1500):  # deeper than Python's own recursion goes
            made[-1].mkdir()
            made.append(made[-1] / "a")
        assert not holds_images(tmp_path)
    finally:
        for folder in reversed(made[:-1]):  # pytest's own removal is recursive
            folder.rmdir()
