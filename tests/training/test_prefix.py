"""Features of a frozen prefix: the same numbers as the whole network, whatever was kept before."""

import hashlib
import os

import numpy as np
import pytest

from transfer.networks.architecture import Architecture, feature_shape
from transfer.networks.network import build, part_of, random_weights
from transfer.networks.transplant import frozen_layers, set_weights
from transfer.runs import parse_run
from transfer.tasks.dataset import load_dataset
from transfer.training import prefix
from transfer.training.prefix import cached_after, features
from transfer.training.step import Setting, Trainer

WHOLE = Architecture()


@pytest.fixture(scope="module")
def weights():
    return random_weights(WHOLE, 3)


@pytest.fixture(scope="module")
def data(small_data):
    return load_dataset(small_data)


@pytest.mark.parametrize("n", [0, 4, 13])
def test_features_are_the_output_of_the_block(n, data, weights, tmp_path):
    model = build(WHOLE)
    set_weights(model, weights)
    found = features(tmp_path, data, WHOLE, weights, n)
    for name, split in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        expected = part_of(model, None, n)(split.images, training=False).numpy()
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", range(14))
def test_the_shape_of_features_is_that_of_keras(n):
    assert part_of(build(WHOLE), None, n).output.shape[1:] == feature_shape(WHOLE, n)


def test_features_do_not_depend_on_what_was_kept(data, weights, tmp_path):
    at_once = features(tmp_path / "once", data, WHOLE, weights, 5)
    for n in (1, 4):
        features(tmp_path / "chain", data, WHOLE, weights, n)
    chained = features(tmp_path / "chain", data, WHOLE, weights, 5)
    for name in at_once:
        assert np.array_equal(at_once[name], chained[name]), name


def test_features_are_computed_once(data, weights, tmp_path):
    features(tmp_path, data, WHOLE, weights, 3)
    before = {path: path.stat().st_ino for path in tmp_path.glob("*.npy")}
    features(tmp_path, data, WHOLE, weights, 3)
    assert before == {path: path.stat().st_ino for path in tmp_path.glob("*.npy")}
    assert len(before) == 3


@pytest.mark.parametrize("damage", ["a value", "the end", "the digest", "a link"])
def test_damaged_features_are_computed_again(data, weights, tmp_path, damage):
    whole = {k: np.array(v) for k, v in features(tmp_path, data, WHOLE, weights, 2).items()}
    path = next(tmp_path.glob("*-2-train.npy"))
    content = path.read_bytes()
    path.unlink()  # a mapped array may still look at the old content
    if damage == "a value":
        content = content[:-1] + bytes([content[-1] ^ 1])
    elif damage == "the end":
        content = content[:-8]
    elif damage == "the digest":
        path.with_name(f"{path.name}.sha256").unlink()
    else:
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    if damage != "a link":
        path.write_bytes(content)
    prefix._is_whole.cache_clear()  # as in another process
    for name, kept in features(tmp_path, data, WHOLE, weights, 2).items():
        assert np.array_equal(kept, whole[name])
    assert not path.is_symlink()
    for kept in tmp_path.glob("*.npy"):
        digest = kept.with_name(f"{kept.name}.sha256").read_text()
        assert digest == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_other_weights_are_other_features(data, weights, tmp_path):
    one = features(tmp_path, data, WHOLE, weights, 2)["test"]
    changed = {**weights, "conv_pw_2/kernel": weights["conv_pw_2/kernel"] + 0.1}
    two = features(tmp_path, data, WHOLE, changed, 2)["test"]
    assert not np.array_equal(one, two)
    above = {**weights, "conv_pw_3/kernel": weights["conv_pw_3/kernel"] + 0.1}
    assert np.array_equal(one, features(tmp_path, data, WHOLE, above, 2)["test"])


def test_the_longest_unused_features_are_discarded(data, weights, tmp_path, monkeypatch):
    features(tmp_path, data, WHOLE, weights, 2)
    kept = features(tmp_path, data, WHOLE, weights, 3)
    for path in tmp_path.glob("*-2-*.npy"):
        os.utime(path, (0, 0))
    newest = sum(path.stat().st_size for path in tmp_path.glob("*-3-*.npy"))
    monkeypatch.setattr(prefix, "_MOST_BYTES", newest)
    again = features(tmp_path, data, WHOLE, weights, 3)
    assert not list(tmp_path.glob("*-2-*.npy*"))
    assert np.array_equal(kept["train"], again["train"])


def test_what_a_killed_process_left_is_removed(data, weights, tmp_path):
    features(tmp_path, data, WHOLE, weights, 1)
    name = next(tmp_path.glob("*-1-train.npy")).name
    left = tmp_path / f".{name}.abc.tmp"
    left.write_bytes(b"half")
    features(tmp_path, data, WHOLE, weights, 2)
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A3B_s0", 3),
        ("B13B_s1", 13),
        ("R0B_s0", 0),
        ("A1B_s0", None),  # 61 kB an image of 11 kB
        ("A3B_legacy_s0", None),  # batch statistics: not a function of the image
        ("A3B_adapt_s0", None),
        ("A3B+_s0", None),
        ("A@3B_s0", None),
        ("A3B_f0.1_s0", None),
        ("baseB_s0", None),
        ("sliced-3_s0", None),
    ],
)
def test_what_is_cached(name, expected):
    assert cached_after(parse_run(name), WHOLE, 10_000) == expected


def test_features_that_are_too_large_are_not_kept():
    large = Architecture(alpha=1.0, input_size=(224, 224), image_size=(224, 224))
    assert cached_after(parse_run("A1B_s0"), large, 10) is None  # 3.2 MB an image of 0.15 MB
    assert cached_after(parse_run("A7B_s0"), large, 2_000) == 7  # 0.4 MB an image
    assert cached_after(parse_run("A7B_s0"), large, 65_194) is None


@pytest.mark.parametrize(
    "whole",
    [
        WHOLE,
        Architecture(6, 0.35, backbone="mobilenet_v2"),
        Architecture(6, 1.0, backbone="efficientnet_b0"),
    ],
    ids=lambda architecture: architecture.backbone,
)
def test_training_on_features_equals_training_on_images(data, whole, tmp_path):
    weights = random_weights(whole, 3)
    frozen = frozen_layers(parse_run("A4B_s0"), whole)
    given = features(tmp_path, data, whole, weights, 4)
    results = []
    for after, inputs in ((None, data.train.images), (4, given["train"])):
        trainer = Trainer(Setting(whole, frozen, "inference", 0.9, 0.9, True, 16, after))
        trainer.start(weights, 0)
        labels = data.train.labels.astype(np.int32)
        losses = [
            trainer.train_step(inputs[i : i + 16], labels[i : i + 16], 0.05)[0]
            for i in range(0, 64, 16)
        ]
        results.append((losses, trainer.predict(inputs[:32]), trainer.weights()))
    (loss_a, seen_a, end_a), (loss_b, seen_b, end_b) = results
    np.testing.assert_allclose(loss_a, loss_b, rtol=1e-3)
    np.testing.assert_allclose(seen_a, seen_b, atol=1e-3)
    for name in end_a:
        np.testing.assert_allclose(end_a[name], end_b[name], atol=2e-3, err_msg=name)
