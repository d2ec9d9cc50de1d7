"""MobileNet v1 in Keras: same layers, names and outputs as ``keras.applications.MobileNet`` [M].

The stem is padded ``same``, as in Keras 3. Keras 2.2.4 padded it below and to the right. Where
height and width of the input are even, both give the same outputs.
"""

import hashlib

import keras
import numpy as np
from keras import layers

from transfer.networks.architecture import BLOCK_TABLE, HEAD, Architecture, weight_shapes
from transfer.networks.convolution import Conv2D, DepthwiseConv2D
from transfer.networks.normalization import BatchNormalization

_DROPOUT = 1e-3


def build(architecture: Architecture, bn_momentum: float = 0.99) -> keras.Model:
    """Build the network of an architecture; `random_weights` gives it a start.

    ``bn_momentum``: momentum of the moving statistics, 0..1 (Keras' default: 0.99).
    Returns from uint8 images (N, height, width, 3) to class probabilities float32 (N, classes).
    Resizing (bilinear) and rescaling to -1..1 are its first layers.
    """
    height, width = architecture.image_size
    images = keras.Input((height, width, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, dtype="float32", name="to_float")(images)
    if architecture.input_size != architecture.image_size:
        # Resizing's own default is training=True, and Keras hands it on to every layer above.
        x = layers.Resizing(*architecture.input_size, name="resize")(x, training=False)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)
    stem = Conv2D(
        architecture.filters(0), 3, strides=2, padding="same", use_bias=False, name="conv1"
    )
    x = _normalised(stem(x), "conv1", bn_momentum)
    for block in range(1, architecture.n + 1):
        x = _separable(x, block, architecture.filters(block), bn_momentum)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling")(x)
    x = layers.Dropout(_DROPOUT, seed=0, name="dropout")(x)
    x = layers.Dense(architecture.classes, name=HEAD)(x)
    x = layers.Softmax(name="probabilities")(x)
    return keras.Model(images, x, name="mobilenet_v1")


def part_of(model: keras.Model, after: int | None, until: int | None) -> keras.Model:
    """A stretch of the network as a model of its own, sharing the layers.

    ``model``: as from `build`.
    ``after``: the block (0: the stem) whose output is the part's input; None: the images.
    ``until``: the block whose output is the part's output; None: the logits of the head.
    """
    names = [layer.name for layer in model.layers]
    begin = 1 if after is None else names.index(_last_layer(after)) + 1
    end = names.index(HEAD if until is None else _last_layer(until)) + 1
    before = model.layers[begin - 1].output
    x = inputs = keras.Input(batch_shape=before.shape, dtype=before.dtype)
    for layer in model.layers[begin:end]:
        x = layer(x)
    return keras.Model(inputs, x)


def _last_layer(block: int) -> str:
    return f"conv_pw_{block}_relu" if block else "conv1_relu"


def _separable(
    x: keras.KerasTensor, block: int, filters: int, bn_momentum: float
) -> keras.KerasTensor:
    """Depthwise 3x3 convolution, then pointwise 1x1, each with BatchNorm and ReLU6."""
    stride, padding = BLOCK_TABLE[block - 1][1], "same"
    if stride == 2:
        x, padding = _padded(x, f"conv_pad_{block}")
    depthwise = DepthwiseConv2D(
        3,
        strides=stride,
        padding=padding,
        use_bias=False,
        name=f"conv_dw_{block}",
    )
    x = _normalised(depthwise(x), f"conv_dw_{block}", bn_momentum)
    pointwise = Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{block}")
    return _normalised(pointwise(x), f"conv_pw_{block}", bn_momentum)


def _padded(x: keras.KerasTensor, name: str) -> tuple[keras.KerasTensor, str]:
    """Keras pads blocks of stride 2 below and to the right; so does ``same`` on even sides."""
    if all(side % 2 == 0 for side in x.shape[1:3]):
        return x, "same"
    return layers.ZeroPadding2D(((0, 1), (0, 1)), name=name)(x), "valid"


def _normalised(x: keras.KerasTensor, name: str, momentum: float) -> keras.KerasTensor:
    x = BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def random_weights(
    architecture: Architecture, seed: int, stream: str = ""
) -> dict[str, np.ndarray]:
    """A random start as Keras' own layers make it: Glorot-uniform kernels, identity BatchNorm.

    ``stream``: networks of one seed and one stream share the initial value of every weight that has
    the same name and shape in both.
    Returns float32, keyed ``layer/weight``; each a function of seed, stream, name and shape.
    """
    weights = {}
    for name, shape in weight_shapes(architecture).items():
        weight = name.split("/")[1]
        if weight == "kernel":
            digest = hashlib.sha256(f"{seed} {stream} {name} {shape}".encode()).digest()
            kernel_seed = int.from_bytes(digest[:4]) & 0x7FFFFFFF
            start = keras.initializers.GlorotUniform(seed=kernel_seed)(shape)
        else:
            start = np.full(shape, weight in ("gamma", "moving_variance"))
        weights[name] = np.asarray(start, np.float32)
    return weights
