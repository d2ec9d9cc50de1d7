"""What a network makes of images, after the stem and after every block, in one pass.

``pooled`` samples are one vector an image, the global average that the head of sliced-n sees;
``positions`` one vector a position of the block's output, not independent of each other, for scores
that see features only through their distribution.
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from scipy import special

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, Weights, feature_shape
from transfer.networks.backbone import blocks_of

Samples = Literal["pooled", "positions"]
Features = Callable[[np.ndarray], list[np.ndarray]]
_BATCH = 128
_MOST_BYTES_A_BATCH = 64 << 20  # of the outputs of all blocks


def feature_function(
    architecture: Architecture, weights: Weights, samples: Samples = "pooled"
) -> Features:
    """A network as a function from a batch of images to its features at every cut.

    ``weights``: at least those of stem and blocks. Returns a function of images uint8 (batch,
    height, width, 3), which returns a list of float32 arrays, that of the stem first: (batch,
    channels) if pooled, (batch, positions, channels) if not. BatchNorm normalises by its moving
    statistics.
    """
    if samples not in ("pooled", "positions"):
        raise TransferError(f"Expected samples of pooled or positions. Received: {samples!r}.")
    import keras  # here, so that reading a study needs no TensorFlow
    import tensorflow as tf

    from transfer.networks.network import build
    from transfer.networks.transplant import set_weights

    model = build(architecture)
    set_weights(model, weights)
    cuts = keras.Model(model.input, [block[-1].output for block in blocks_of(model)])

    @tf.function(input_signature=[tf.TensorSpec((None, *architecture.image_size, 3), tf.uint8)])
    def features(images: tf.Tensor) -> list[tf.Tensor]:
        outputs = []
        # training=False is not the default: Keras' Resizing turns it on for what follows.
        for x in cuts(images, training=False):
            positions = tf.reshape(x, (tf.shape(x)[0], x.shape[1] * x.shape[2], x.shape[3]))
            outputs.append(tf.reduce_mean(positions, 1) if samples == "pooled" else positions)
        return outputs

    return lambda images: [array.numpy() for array in features(tf.constant(images))]


def stream(images: np.ndarray, features: Features, batch: int = 128) -> Iterator[list[np.ndarray]]:
    """Features of every block, one batch of images at a time, in the order of the images."""
    for start in range(0, len(images), batch):
        yield features(np.ascontiguousarray(images[start : start + batch]))


def batch_size(architecture: Architecture) -> int:
    """Images a batch: 128, or as many as leave 64 MiB of features."""
    cuts = range(architecture.depth + 1)
    bytes_an_image = sum(4 * math.prod(feature_shape(architecture, block)) for block in cuts)
    return max(1, min(_BATCH, _MOST_BYTES_A_BATCH // bytes_an_image))


def source_probabilities(
    pooled: np.ndarray, classifier: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Softmax probabilities float64 (N, source classes) by the source task's classifier."""
    kernel, bias = classifier
    return special.softmax(pooled.astype(np.float64) @ kernel + bias, axis=1)
