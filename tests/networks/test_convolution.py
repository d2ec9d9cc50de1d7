"""Other ways to compute a convolution give what Keras' layers give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.networks.layers import Conv2D, DepthwiseConv2D


def results(layer, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        loss = tf.reduce_sum(outputs * tf.sin(outputs))
    return [outputs, *tape.gradient(loss, [inputs, layer.kernel.value])]


def compare(theirs, ours, shape):
    inputs = tf.random.stateless_normal((5, *shape), seed=(1, 2))
    theirs.build((None, *shape))
    ours.build((None, *shape))
    ours.set_weights(theirs.get_weights())
    for expected, found in zip(results(theirs, inputs), results(ours, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "strides"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_convolution(kernel, strides):
    options = {"strides": strides, "padding": "same", "use_bias": False}
    layers = (kind(12, kernel, **options) for kind in (keras.layers.Conv2D, Conv2D))
    compare(*layers, (6, 10, 8))


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (2, 7), (3, 5), (6, 10)])
def test_depthwise_convolution(size):
    kinds = keras.layers.DepthwiseConv2D, DepthwiseConv2D
    compare(*(kind(3, padding="same", use_bias=False) for kind in kinds), (*size, 8))


@pytest.mark.parametrize(("padding", "size"), [("valid", (4, 6)), ("same", (2, 2))])
def test_depthwise_convolution_with_strides(padding, size):
    options = {"strides": 2, "padding": padding, "use_bias": False}
    kinds = keras.layers.DepthwiseConv2D, DepthwiseConv2D
    compare(*(kind(3, **options) for kind in kinds), (*size, 8))
