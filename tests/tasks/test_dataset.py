"""A data set is loaded as it was written, or refused in one sentence."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.cli import main
from transfer.errors import TransferError
from transfer.tasks.dataset import (
    SPLITS,
    Split,
    content_hash,
    load_dataset,
    write_dataset,
)

LABELS = np.array([0, 0, 1, 2, 0, 1])
SIZES = {"height": 4, "width": 6, "classes": ("forward", "left", "right")}


def split_of(seed, recordings=None):
    images = np.random.default_rng(seed).integers(0, 256, (len(LABELS), 4, 6, 3), np.uint8)
    return Split(images, LABELS, recordings)


def write(out, splits=None, **changes):
    splits = splits or {name: split_of(seed) for seed, name in enumerate(SPLITS)}
    write_dataset(out, splits, **{"name": "small", **SIZES, "recipe": {"seed": 0}, **changes})
    return out


def test_a_written_data_set_is_loaded_as_it_was(tmp_path):
    splits = {name: split_of(seed, LABELS + 10 * seed) for seed, name in enumerate(SPLITS)}
    dataset = load_dataset(write(tmp_path / "set", splits))
    assert (dataset.name, dataset.height, dataset.width) == ("small", 4, 6)
    assert dataset.classes == SIZES["classes"]
    for name, split in dataset.splits.items():
        np.testing.assert_array_equal(split.images, splits[name].images)
        np.testing.assert_array_equal(split.labels, splits[name].labels)
        np.testing.assert_array_equal(split.recordings, splits[name].recordings)
        assert split.labels.dtype == np.int64
    assert json.loads((tmp_path / "set/dataset.json").read_text())["recipe"] == {"seed": 0}


def test_images_are_mapped_not_read(tmp_path):
    images = load_dataset(write(tmp_path / "set")).train.images
    base = images
    while not isinstance(base, np.memmap):
        base = base.base
    assert images.shape == (6, 4, 6, 3)


def test_without_a_description_the_published_layout_is_assumed(tmp_path):
    for name in SPLITS:
        np.save(tmp_path / f"{name}_data.npy", np.zeros((3, 10800), np.uint8))
        np.save(tmp_path / f"{name}_labels.npy", np.array([[0], [1], [2]], np.uint8))
    dataset = load_dataset(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.classes == ("forward", "left", "right")
    assert dataset.test.images.shape == (3, 45, 80, 3)
    assert dataset.test.recordings is None
    np.testing.assert_array_equal(dataset.test.labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("file", "array", "message"),
    [
        ("train_data", np.zeros((6, 72)), "Expected uint8"),
        ("train_data", np.zeros((6, 71), np.uint8), "rows of 72 = 4 x 6 x 3"),
        ("valid_data", np.zeros((5, 72), np.uint8), "5 images, 6 labels"),
        ("valid_labels", np.array([0, 1, 2, 0, 0, 3]), r"labels 0\.\.2 .* Received: 3"),
        ("valid_labels", np.array([0, 1, 2, 0, 0, -1]), "Received: -1"),
        ("valid_labels", np.array([0, 1, 2, 0, 0, 2**64 - 1], np.uint64), "Received: "),
        ("test_labels", np.array([0, 0, 1, 1, 0, 1]), "none of class 'right'"),
        ("test_labels", np.array([0.0, 1, 2, 0, 0, 1]), "Expected integer"),
        ("test_labels", np.eye(6, 3, dtype=int), r"\(N,\) or \(N, 1\)"),
        ("test_labels", np.array([0, "1", 2, 0, 0, 1], object), "pickled"),
        ("test_recordings", np.arange(5), "6 images, 5 recordings"),
    ],
)
def test_a_wrong_array_is_refused(tmp_path, file, array, message):
    write(tmp_path / "set")
    np.save(tmp_path / "set" / f"{file}.npy", array, allow_pickle=True)
    with pytest.raises(TransferError, match=message):
        load_dataset(tmp_path / "set")


def test_a_missing_folder_or_file_is_refused(tmp_path):
    with pytest.raises(TransferError, match="Expected the folder of a data set"):
        load_dataset(tmp_path / "absent")
    (write(tmp_path / "set") / "valid_labels.npy").unlink()
    with pytest.raises(TransferError, match="valid_labels.npy"):
        load_dataset(tmp_path / "set")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        '{"height": 0}',
        '{"height": true}',
        '{"width": 1e3}',
        '{"classes": ["a"]}',
        '{"classes": ["a", "=cmd|\'/C calc\'!A0"]}',
        '{"classes": ["a", "@SUM(1)"]}',
        '{"name": "=cmd|\'/C calc\'!A0"}',
        '{"name": "+cmd"}',
        '{"classes": ["a", "a"]}',
        '{"classes": "ab"}',
        '{"classes": [["a"], "b"]}',
        '{"name": ""}',
        '{"frames": 0}',
        '{"name": "a\\nb"}',
        '{"name": "' + "a" * (1 << 20) + '"}',
        "\udcff",
    ],
)
def test_a_wrong_description_is_refused(tmp_path, text):
    file = write(tmp_path / "set") / "dataset.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TransferError, match=r"dataset\.json"):
        load_dataset(tmp_path / "set")


def test_the_hash_knows_content_not_names(tmp_path):
    original = content_hash(load_dataset(write(tmp_path / "a")))
    assert content_hash(load_dataset(write(tmp_path / "b", name="other"))) == original
    np.save(tmp_path / "b/test_labels.npy", LABELS.astype(np.uint8).reshape(-1, 1))
    assert content_hash(load_dataset(tmp_path / "b")) == original
    images = np.load(tmp_path / "b/test_data.npy")
    images[-1, -1] ^= 1
    np.save(tmp_path / "b/test_data.npy", images)
    assert content_hash(load_dataset(tmp_path / "b")) != original
    write(tmp_path / "c")
    for split in SPLITS:  # labels of two images change places: every class keeps its images
        path = tmp_path / f"c/{split}_labels.npy"
        labels = np.load(path)
        before = content_hash(load_dataset(tmp_path / "c"))
        np.save(path, np.roll(labels, 1))
        assert content_hash(load_dataset(tmp_path / "c")) != before


@pytest.mark.parametrize("frames", [True, False])
def test_which_test_images_depend_on_each_other(tmp_path, frames):
    bare = load_dataset(write(tmp_path / "bare", frames=frames))
    assert bare.frames is frames
    clusters = bare.test_clusters
    assert clusters is None if frames else clusters.tolist() == list(range(len(LABELS)))
    splits = {name: split_of(seed, LABELS + 10 * seed) for seed, name in enumerate(SPLITS)}
    known = load_dataset(write(tmp_path / "known", splits, frames=frames))
    np.testing.assert_array_equal(known.test_clusters, LABELS + 20)
    assert content_hash(known) == content_hash(bare)


@pytest.mark.parametrize(
    ("folder", "name"), [("mine", "mine"), ("mine/npy", "mine"), ("mine/data/npy", "mine")]
)
def test_a_data_set_without_a_name_is_called_by_its_folder(tmp_path, folder, name):
    out = write(tmp_path / folder)
    text = json.loads((out / "dataset.json").read_text())
    del text["name"]
    (out / "dataset.json").write_text(json.dumps(text))
    assert load_dataset(out).name == name


@pytest.mark.parametrize("file", ["train_data", "test_labels", "test_recordings"])
def test_an_array_that_is_a_link_is_refused(tmp_path, file):
    splits = {name: split_of(seed, LABELS + 10 * seed) for seed, name in enumerate(SPLITS)}
    path = write(tmp_path / "set", splits) / f"{file}.npy"
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(TransferError, match="a link"):
        load_dataset(tmp_path / "set")


def test_the_hash_knows_geometry(tmp_path):
    original = content_hash(load_dataset(write(tmp_path / "a")))
    file = tmp_path / "a/dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"height": 6, "width": 4}))
    assert content_hash(load_dataset(tmp_path / "a")) != original


def test_an_occupied_folder_is_not_touched(tmp_path):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set")  # empty: accepted
    before = sorted(p.name for p in (tmp_path / "set").iterdir())
    with pytest.raises(TransferError, match="holds something"):
        write(tmp_path / "set")
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 5}, "Expected uint8"),
        ({"classes": ("a", "b", "c", "d")}, "none of class 'd'"),
        ({"classes": ("a", "b")}, "Received: 2"),
        ({"name": ""}, "Expected a name"),
    ],
)
def test_an_invalid_data_set_leaves_nothing_behind(tmp_path, change, message):
    with pytest.raises(TransferError, match=message):
        write(tmp_path / "set", **change)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(TransferError, match="No space left"):
        write(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["photos", "data/photos"])
def test_a_folder_of_images_is_told_how_it_becomes_a_data_set(tmp_path, monkeypatch, name):
    """The command that is said works as it stands, from a folder beside ``data`` too."""
    monkeypatch.chdir(tmp_path)
    for label in ("cup", "plate"):
        (Path(name) / label).mkdir(parents=True)
        for number in range(20):
            pixels = np.full((20, 30, 3), 10 * number, np.uint8)
            Image.fromarray(pixels).save(Path(name) / label / f"{number}.png")
    with pytest.raises(TransferError, match="makes a data set of them") as error:
        load_dataset(name)
    (said,) = re.findall(r"`(?:python -m transfer|feature-transfer) (.*?)`", str(error.value))
    main(shlex.split(said))
    assert load_dataset(said.split()[-1]).classes == ("cup", "plate")
