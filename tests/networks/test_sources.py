"""Where baseA comes from, and that its values are the known ones."""

from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks.source.fractals import generate
from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.backbone import BACKBONES
from transfer.networks.network import build, part_of, random_weights
from transfer.networks.sources import _SHIPPED, find_source
from transfer.networks.transplant import get_weights, set_weights
from transfer.networks.weights import read_weights, write_weights

IMAGENET = Path(__file__).parents[2] / "../shared/weights/mobilenet_v1_0.25_224_imagenet.h5"


def test_sources_that_are_not_there_say_what_to_do(monkeypatch):
    with pytest.raises(TransferError, match="alpha 0.25"):
        find_source("fractals", 0.5)
    with pytest.raises(TransferError, match="no file nowhere"):
        find_source("nowhere.h5", 0.25)
    with pytest.raises(TransferError, match="0.25, 0.5, 0.75, 1"):
        find_source("imagenet", 0.3)

    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    with pytest.raises(TransferError, match=r"mobilenet_2_5_224_tf_no_top\.h5.*put it into"):
        find_source("imagenet", 0.25)


@pytest.mark.parametrize("name", BACKBONES)
def test_without_a_network_the_file_that_keras_would_fetch_is_named(name, monkeypatch):
    """What ``keras.applications`` itself asks its server for is the oracle."""
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args or (kwargs["fname"], kwargs["origin"]))
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", refuse)
    monkeypatch.setattr(keras.utils, "get_file", refuse)
    backbone = BACKBONES[name]
    options = {"alpha": backbone.alpha} if backbone.alpha else {}
    with pytest.raises(Exception, match="URL fetch failure"):
        getattr(keras.applications, backbone.function)(
            input_shape=(224, 224, 3), include_top=False, weights="imagenet", **options
        )
    with pytest.raises(TransferError) as error:
        find_source("imagenet", backbone.alpha or 1.0, name)
    (file, url), ours = asked
    assert ours[:2] == (file, url)
    assert f"{url}." in str(error.value)
    assert "into the folder models of Keras' home (~/.keras)" in str(error.value)


@pytest.mark.parametrize(("backbone", "alpha"), _SHIPPED)
def test_shipped_weights_tell_fractals_apart(backbone, alpha):
    """Nearest class mean, on images that training left out; random weights are worse."""
    shape = Architecture(None, alpha, (48, 80), (48, 80), backbone=backbone)
    images, labels = generate(16, 8, 48, 80, seed=0)
    model = build(shape)
    right = []
    for weights in (
        read_weights(find_source("fractals", alpha, backbone)[1], shape),
        random_weights(shape, 0),
    ):
        set_weights(model, weights)
        features = (
            part_of(model, None, BACKBONES[backbone].blocks)(images, training=False)
            .numpy()
            .mean((1, 2))
        )
        features = (features - features.mean(0)) / (features.std(0) + 1e-6)
        train = np.arange(len(labels)) % 8 < 4
        means = np.array([features[train & (labels == label)].mean(0) for label in range(16)])
        distances = np.linalg.norm(features[~train, None] - means, axis=2)
        right.append((distances.argmin(1) == labels[~train]).mean())
    assert right[0] > 0.5 > 0.3 > right[1]


def test_imagenet_weights_come_from_keras_cache(tmp_path, monkeypatch):
    def fetch(name, origin, cache_subdir):
        return str(tmp_path / cache_subdir / name)

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    path = tmp_path / "models/mobilenet_5_0_224_tf_no_top.h5"
    path.parent.mkdir()
    half = Architecture(alpha=0.5)
    write_weights(path, get_weights(build(half)), half)
    assert find_source("imagenet", 0.5) == ("imagenet", path)


@pytest.mark.skipif(not IMAGENET.exists(), reason="needs ../shared/weights")
def test_imagenet_weights_of_alpha_025_are_the_pinned_ones(monkeypatch):
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **kwargs: str(IMAGENET))
    assert find_source("imagenet", 0.25) == ("imagenet", IMAGENET)


def test_weights_with_other_values_than_the_pinned_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "changed.weights.h5"
    write_weights(path, get_weights(build(Architecture())), Architecture())
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **kwargs: str(path))
    with pytest.raises(TransferError, match="SHA-256 366bad.*It holds others.*--source"):
        find_source("imagenet", 0.25)
    assert find_source(str(path), 0.25) == (path.name, path)
