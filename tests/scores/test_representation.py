"""One pass against the network run block by block; nothing kept from batch to batch."""

import subprocess
import sys

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, feature_shape
from transfer.networks.sources import find_source
from transfer.networks.weights import read_classifier, read_weights
from transfer.scores.representation import (
    batch_size,
    feature_function,
    source_probabilities,
    stream,
)

ARCHITECTURE = Architecture(image_size=(33, 40), input_size=(48, 64), classes=64)
SOURCE = find_source("fractals", 0.25)[1]


@pytest.fixture(scope="module")
def weights():
    return read_weights(SOURCE, ARCHITECTURE, head=True)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 33, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(weights):
    from transfer.networks.network import build
    from transfer.networks.transplant import set_weights

    found = build(ARCHITECTURE)
    set_weights(found, weights)
    return found


@pytest.fixture(scope="module")
def pooled(weights, images):
    return feature_function(ARCHITECTURE, weights)(images)


def test_every_block_gives_what_it_gives_when_run_after_the_one_before(model, images, pooled):
    from transfer.networks.network import part_of

    x = images
    for block in range(14):
        x = part_of(model, block - 1 if block else None, block)(x, training=False).numpy()
        assert pooled[block] == pytest.approx(x.mean((1, 2)), abs=1e-4)
    assert len(pooled) == 14


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "efficientnet_b0"])
def test_every_block_of_other_backbones_gives_what_it_gives_after_the_one_before(backbone, images):
    from transfer.networks.network import build, part_of, random_weights
    from transfer.networks.transplant import set_weights

    width = {"mobilenet_v2": 0.35}.get(backbone, 1.0)
    architecture = Architecture(5, width, (48, 64), (33, 40), backbone=backbone)
    weights = random_weights(architecture, 0)
    model = build(architecture)
    set_weights(model, weights)
    pooled = feature_function(architecture, weights)(images)
    x = images
    for block in range(6):
        x = part_of(model, block - 1 if block else None, block)(x, training=False).numpy()
        assert pooled[block] == pytest.approx(x.mean((1, 2)), abs=1e-4)
    assert len(pooled) == 6


def test_positions_are_the_samples_the_pooled_features_are_means_of(weights, images, pooled):
    found = feature_function(ARCHITECTURE, weights, "positions")(images)
    for block, (positions, means) in enumerate(zip(found, pooled, strict=True)):
        height, width, channels = feature_shape(ARCHITECTURE, block)
        assert positions.shape == (10, height * width, channels)
        assert positions.mean(1) == pytest.approx(means, abs=1e-5)


def test_a_stream_reads_no_more_than_a_batch_at_a_time(images):
    class Watched:
        """An array that can only be asked for its length and for slices."""

        reads: list[int] = []  # noqa: RUF012

        def __len__(self):
            return len(images)

        def __getitem__(self, rows):
            self.reads.append(len(images[rows]))
            return images[rows]

    batches = stream(Watched(), lambda x: [x.mean((1, 2))], batch=4)
    next(batches)
    assert Watched.reads == [4]
    rest = [batch[0] for batch in batches]
    assert Watched.reads == [4, 4, 2]
    assert np.concatenate(rest) == pytest.approx(images[4:].mean((1, 2)))


def test_large_networks_get_small_batches():
    large = Architecture(alpha=1.0, input_size=(224, 224), image_size=(224, 224))
    assert batch_size(Architecture()) == 128
    assert 1 <= batch_size(large) < 32


def test_the_source_classifier_says_what_the_whole_network_says(model, images, pooled):
    found = source_probabilities(pooled[-1], read_classifier(SOURCE, ARCHITECTURE))
    assert found == pytest.approx(model(images, training=False).numpy(), abs=1e-4)


def test_other_samples_are_refused(weights):
    with pytest.raises(TransferError, match="pooled or positions"):
        feature_function(ARCHITECTURE, weights, "flat")


def test_it_can_be_imported_without_tensorflow():
    code = (
        "import sys, transfer.scores.representation; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
