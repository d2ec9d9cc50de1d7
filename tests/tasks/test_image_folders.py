"""Folders of images are listed by class and split by the order of names."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.tasks.image_folders import is_image_folders, read_image_folders, split_by_name


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


def test_frames_numbered_through_the_classes_are_cut_at_one_time():
    labels = np.arange(1000) // 13 % 3
    names = [f"frame_{index}.jpg" for index in range(1000)]  # 9 before 10
    shuffled = np.random.default_rng(0).permutation(1000)
    split, order, together = split_by_name([names[i] for i in shuffled], labels[shuffled])
    assert together
    np.testing.assert_array_equal(shuffled[order], np.arange(1000))
    expected = np.full(1000, -1)
    expected[:780], expected[800:880], expected[900:] = 0, 1, 2
    np.testing.assert_array_equal(split[order], expected)


@pytest.mark.parametrize("name", ["forward_{}.jpg", "{}.jpg"])
def test_classes_with_their_own_names_are_each_cut_in_their_own_order(name):
    counts = [400, 60, 20]
    labels = np.repeat([0, 1, 2], counts)
    prefixes = ["forward", "left", "right"]
    names = [
        name.replace("forward", prefixes[label]).format(index)
        for label, count in enumerate(counts)
        for index in range(count)
    ]
    split, order, together = split_by_name(names, labels)
    assert not together
    np.testing.assert_array_equal(order, np.arange(480))
    for label, count in enumerate(counts):
        own = split[labels == label]
        kept = own[own >= 0]
        assert (np.diff(kept) >= 0).all()  # train, then valid, then test
        assert set(kept) == {0, 1, 2}
        gap = max(1, round(count / 50))
        for later in (1, 2):
            assert own[np.flatnonzero(own == later)[0] - gap] == -1


def test_no_frame_has_its_neighbour_in_another_split():
    for count in range(60, 400):
        names = [f"{i}.png" for i in range(count)]
        split, order, together = split_by_name(names, np.arange(count) % 2)
        assert together
        one, other = split[order][:-1], split[order][1:]
        assert ((one == other) | (one < 0) | (other < 0)).all()
        assert set(split) == {-1, 0, 1, 2}


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
