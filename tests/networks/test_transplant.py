"""Copying, freezing and the three BatchNorm semantics, each proved on one training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.networks.architecture import Architecture
from transfer.networks.network import build
from transfer.networks.transplant import (
    copy_blocks,
    freeze,
    frozen_layers,
    frozen_weights,
    get_weights,
    set_weights,
)
from transfer.networks.weights import hash_weights
from transfer.runs import Run

ARCHITECTURE = Architecture(n=2, image_size=(32, 32), input_size=(32, 32))


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    model = build(ARCHITECTURE, bn_momentum=0.5)
    rng = np.random.default_rng(0)
    weights = {name: rng.uniform(0.5, 1.5, w.shape) for name, w in get_weights(model).items()}
    set_weights(model, {name: w.astype("float32") for name, w in weights.items()})
    return model


def train_one_step(model):
    """A step of plain gradient descent; the names of the weights that moved."""
    before = get_weights(model)
    images = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.math.log(model(images, training=True)[:, 0]))
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(gradient)
    after = get_weights(model)
    return {name for name in before if not np.array_equal(before[name], after[name])}


def features(model, layer, training):
    images = np.random.default_rng(2).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    part = keras.Model(model.input, model.get_layer(layer).output)
    return part(images, training=training).numpy()


def test_all_weights_train_when_nothing_is_frozen(network):
    assert train_one_step(network) == set(get_weights(network))


@pytest.mark.parametrize("bn", ["inference", "legacy", "adapt"])
def test_what_moves_under_each_semantics(network, bn):
    frozen = frozen_layers(Run("AnB", 1, bn=bn), ARCHITECTURE)
    freeze(network, frozen, bn)
    before = hash_weights(frozen_weights(get_weights(network), frozen, bn))
    moved = {name for name in train_one_step(network) if name.split("/")[0] in frozen}
    statistics = {
        name
        for name in get_weights(network)
        if name.split("/")[0] in frozen and name.split("/")[1].startswith("moving")
    }
    assert moved == (statistics if bn == "adapt" else set())
    assert hash_weights(frozen_weights(get_weights(network), frozen, bn)) == before


@pytest.mark.parametrize("bn", ["inference", "legacy", "adapt"])
def test_which_statistics_normalise_in_training(network, bn):
    freeze(network, frozen_layers(Run("AnB", 1, bn=bn), ARCHITECTURE), bn)
    stem = features(network, "conv1_bn", training=True)
    evaluated = features(network, "conv1_bn", training=False)
    if bn == "inference":
        np.testing.assert_array_equal(stem, evaluated)
        return
    gamma, beta = (network.get_layer("conv1_bn").get_weights()[i] for i in (0, 1))
    raw = features(network, "conv1", training=True)
    mean, variance = raw.mean((0, 1, 2)), raw.var((0, 1, 2))
    np.testing.assert_allclose(
        stem, (raw - mean) / np.sqrt(variance + 1e-3) * gamma + beta, atol=1e-3
    )


@pytest.mark.parametrize("bn", ["legacy", "adapt"])
def test_which_statistics_normalise_in_evaluation(network, bn):
    freeze(network, frozen_layers(Run("AnB", 1, bn=bn), ARCHITECTURE), bn)
    before = features(network, "conv_pw_1_bn", training=False)
    train_one_step(network)
    after = features(network, "conv_pw_1_bn", training=False)
    assert np.array_equal(before, after) == (bn == "legacy")


def test_the_frozen_layers_of_each_kind():
    assert frozen_layers(Run("AnB+", 3), Architecture()) == ()
    assert frozen_layers(Run("AnB", 0, bn="inference"), Architecture()) == ("conv1", "conv1_bn")
    assert len(frozen_layers(Run("BnB", 13, bn="inference"), Architecture())) == 2 + 4 * 13
    surgical = frozen_layers(Run("A@nB", 5, bn="inference"), Architecture())
    assert "conv_dw_5" not in surgical
    assert {"conv1", "conv_pw_4_bn", "conv_dw_6"} <= set(surgical)


def test_copying_takes_stem_and_blocks_and_leaves_the_rest(network):
    before = get_weights(network)
    base = {name: value + 1 for name, value in before.items()}
    for name, value in copy_blocks(before, base, 1, ARCHITECTURE).items():
        copied = name.startswith(("conv1", "conv_dw_1", "conv_pw_1"))
        np.testing.assert_array_equal(value, base[name] if copied else before[name])


def test_a_weight_that_does_not_fit_is_an_error(network):
    with pytest.raises(ValueError, match="does not fit"):
        set_weights(network, {"conv1/kernel": np.zeros((3, 3, 3, 9), np.float32)})


def test_the_hash_sees_one_bit():
    weights = {"a/kernel": np.zeros(4, np.float32)}
    changed = {"a/kernel": np.array([0, 0, 0, 1e-45], np.float32)}
    assert hash_weights(weights) != hash_weights(changed)
