"""One fused kernel gives what Keras' BatchNormalization gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.networks.layers import BatchNormalization


@pytest.fixture
def pair():
    layers = keras.layers.BatchNormalization(momentum=0.9), BatchNormalization(momentum=0.9)
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, 8).astype("float32") for _ in range(4)]
    for layer in layers:
        layer.build((None, 6, 10, 8))
        layer.set_weights(weights)
    return layers


def results(layer, inputs, training):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        loss = tf.reduce_sum(outputs * tf.sin(outputs))
    sources = [inputs, layer.gamma.value, layer.beta.value]
    return [outputs, *tape.gradient(loss, sources), *layer.get_weights()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("images", [1, 16])
def test_outputs_gradients_and_statistics_equal_those_of_keras(pair, training, images):
    inputs = tf.random.stateless_normal((images, 6, 10, 8), seed=(1, 2)) * 3 + 1
    for theirs, ours in zip(*(results(layer, inputs, training) for layer in pair), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_a_frozen_layer_normalises_by_its_moving_statistics(pair):
    inputs = tf.random.stateless_normal((4, 6, 10, 8), seed=(1, 2))
    ours = pair[1]
    ours.trainable = False
    before = ours.get_weights()
    np.testing.assert_array_equal(ours(inputs, training=True), ours(inputs, training=False))
    for old, new in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
