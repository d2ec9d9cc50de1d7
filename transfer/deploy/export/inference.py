"""The network for inference: plain Keras layers only, no dropout, nothing trainable.

`transfer.networks.mobilenet` builds the network for training, from subclasses that are fast in the
backward pass. A file made from those could be opened only where this package is. Here the same
network, with the same names and weights, is built from layers every Keras 3 knows.
"""

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

from transfer.networks.architecture import BLOCK_TABLE, HEAD, Architecture
from transfer.networks.transplant import set_weights


def build_for_inference(
    architecture: Architecture, weights: Mapping[str, np.ndarray], dtype: str = "uint8"
) -> keras.Model:
    """Build the network with its weights.

    Parameters
    ----------
    architecture : Architecture
    weights : mapping of str to numpy.ndarray
        float32, keyed ``layer/weight``, all of them.
    dtype : {"uint8", "float32"}
        Of the images, 0..255 either way. A converter that quantises wants float32.

    Returns
    -------
    keras.Model
        From images (N, height, width, 3), RGB, to class probabilities float32 (N, classes).
    """
    height, width = architecture.image_size
    x = images = keras.Input((height, width, 3), dtype=dtype, name="images")
    if dtype != "float32":
        x = layers.Rescaling(1.0, dtype="float32", name="to_float")(x)
    if architecture.input_size != architecture.image_size:
        x = layers.Resizing(*architecture.input_size, name="resize")(x)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)
    stem = layers.Conv2D(
        architecture.filters(0), 3, strides=2, padding="same", use_bias=False, name="conv1"
    )
    x = _normalised(stem(x), "conv1")
    for block in range(1, architecture.n + 1):
        x = _separable(x, block, architecture.filters(block))
    x = layers.GlobalAveragePooling2D(name="global_average_pooling")(x)
    x = layers.Dense(architecture.classes, name=HEAD)(x)
    x = layers.Softmax(name="probabilities")(x)
    model = keras.Model(images, x, name="mobilenet_v1")
    model.trainable = False
    set_weights(model, weights)
    return model


def _separable(x: keras.KerasTensor, block: int, filters: int) -> keras.KerasTensor:
    stride = BLOCK_TABLE[block - 1][1]
    depthwise, pointwise = f"conv_dw_{block}", f"conv_pw_{block}"
    x, padding = _padded(x, stride, f"conv_pad_{block}")
    x = layers.DepthwiseConv2D(3, strides=stride, padding=padding, use_bias=False, name=depthwise)(
        x
    )
    x = _normalised(x, depthwise)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=pointwise)(x)
    return _normalised(x, pointwise)


def _padded(x: keras.KerasTensor, stride: int, name: str) -> tuple[keras.KerasTensor, str]:
    """Below and to the right before a stride of 2; ``same`` does so itself on even sides."""
    if stride == 1 or all(side % 2 == 0 for side in x.shape[1:3]):
        return x, "same"
    return layers.ZeroPadding2D(((0, 1), (0, 1)), name=name)(x), "valid"


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
