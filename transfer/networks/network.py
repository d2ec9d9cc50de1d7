"""Networks in Keras: the graphs of ``keras.applications``, with our faster layers in them.

Names, weights and outputs are theirs. Resizing and preprocessing stand in front. Layers that Keras
numbers through a whole process (``re_lu_17``) are numbered through the network instead.
"""

import functools
import hashlib
import re
from typing import Any

import keras
import numpy as np
from keras import layers

from transfer.networks.backbone import BACKBONES, HEAD, POOLING, Architecture, blocks_of, snake_case
from transfer.networks.layers import BatchNormalization, Conv2D, DepthwiseConv2D

_DROPOUT = 1e-3
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB of 0..1
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # ImageNet, BGR of 0..255


def build(architecture: Architecture, bn_momentum: float = 0.99) -> keras.Model:
    """Build the network of an architecture; `random_weights` gives it a start.

    ``bn_momentum``: momentum of the moving statistics, 0..1 (Keras' default: 0.99).
    Returns a model from uint8 images (N, height, width, 3) to class probabilities float32 (N,
    classes). Resizing (bilinear) and preprocessing are its first layers.
    """

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["momentum"] = bn_momentum
        return type(layer).from_config(config)

    return keras.models.clone_model(skeleton(architecture), clone_function=clone)


@functools.lru_cache(maxsize=16)
def skeleton(architecture: Architecture) -> keras.Model:
    """The network of an architecture, to read shapes from and to clone; its values mean nothing."""
    whole = _backbone(
        architecture.backbone, architecture.alpha, architecture.input_size, architecture.image_size
    )
    x = blocks_of(whole)[architecture.depth][-1].output
    x = layers.GlobalAveragePooling2D(name=POOLING)(x)
    x = layers.Dropout(_DROPOUT, seed=0, name="dropout")(x)
    x = layers.Dense(architecture.classes, name=HEAD)(x)
    x = layers.Softmax(name="probabilities")(x)
    return keras.Model(whole.input, x, name=architecture.backbone)


def part_of(model: keras.Model, after: int | None, until: int | None) -> keras.Model:
    """The part of a network between two cuts as a model of its own, sharing the layers.

    ``after``: the block (0: the stem) whose output is its input; None: the images. ``until``: the
    block whose output is its output; None: the logits of the head.
    """
    cuts = [block[-1].output for block in blocks_of(model)]
    inputs = model.input if after is None else cuts[after]
    return keras.Model(inputs, model.get_layer(HEAD).output if until is None else cuts[until])


def variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Every weight of a network, keyed ``layer/weight``, in the network's order."""
    return {
        f"{layer.name}/{_UNNAMED.sub('scale', weight.name)}": weight
        for layer in model.layers
        for weight in layer.weights
        if "seed_generator" not in weight.path
    }


_UNNAMED = re.compile(r"^variable(_\d+)?$")  # the weight of ConvNeXt's LayerScale


def random_weights(
    architecture: Architecture, seed: int, stream: str = ""
) -> dict[str, np.ndarray]:
    """A random start as Keras' own layers make it, such as Glorot-uniform kernels.

    Each array is a function of seed, ``stream``, name and shape: networks that have these in common
    share its initial value.
    """
    model, weights = skeleton(architecture), {}
    for name, variable in variables(model).items():
        layer_name, weight = name.split("/")
        layer, shape = model.get_layer(layer_name), tuple(variable.shape)
        if weight == "kernel":
            digest = hashlib.sha256(f"{seed} {stream} {name} {shape}".encode()).digest()
            kernel_seed = int.from_bytes(digest[:4]) & 0x7FFFFFFF
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            usual = layer.depthwise_initializer if depthwise else layer.kernel_initializer
            start = type(usual).from_config({**usual.get_config(), "seed": kernel_seed})(shape)
        elif weight == "scale":
            start = np.full(shape, layer.init_values)
        else:
            start = np.full(shape, weight in ("gamma", "moving_variance"))
        weights[name] = np.asarray(start, np.float32)
    return weights


@functools.lru_cache(maxsize=8)
def _backbone(
    name: str, alpha: float, input_size: tuple[int, int], image_size: tuple[int, int]
) -> keras.Model:
    """From uint8 images to the output of the last block, in our layers."""
    backbone = BACKBONES[name]
    height, width = image_size
    images = keras.Input((height, width, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, dtype="float32", name="to_float")(images)
    if input_size != image_size:
        # Resizing's own default is training=True, and Keras hands it on to every layer above.
        x = layers.Resizing(*input_size, name="resize")(x, training=False)
    if backbone.preprocessing == "tf":
        x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)
    elif backbone.preprocessing == "torch":
        scale = [1 / (255 * deviation) for deviation in _DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
        x = layers.Rescaling(scale, offset=offset, name="rescale")(x)
    else:
        x = keras.ops.flip(x, axis=-1)
        x = layers.Rescaling(1.0, offset=[-mean for mean in _CAFFE_MEAN], name="rescale")(x)
    options: dict[str, Any] = {"alpha": alpha} if backbone.alpha else {}
    if name.startswith(("mobilenet_v3", "efficientnet_v2", "convnext")):
        options["include_preprocessing"] = False
    theirs = getattr(keras.applications, backbone.function)(
        input_tensor=x, input_shape=(*input_size, 3), include_top=False, weights=None, **options
    )
    renamed, same = _numbered(theirs), _same_padding(theirs)
    # Preprocessing of their own (EfficientNet B0) is left out: ours stands in front.
    left_out = {pad.name for pad, _ in same} | {
        renamed[layer.name]
        for layer in theirs.layers
        if type(layer) in (layers.Normalization, layers.Rescaling) and layer.name in renamed
    }
    padded_alike = {convolution.name for _, convolution in same}

    def exchange(layer: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return layer
        config = {**layer.get_config(), "name": renamed.get(layer.name, layer.name)}
        if layer.name in padded_alike:
            config["padding"] = "same"
        return _faster(layer).from_config(config)

    def call(layer: Any, x: Any, *others: Any, **named: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            for inner in layer.layers:
                x = exchange(inner)(x)
            return x
        return x if layer.name in left_out else layer(x, *others, **named)

    ours = keras.models.clone_model(theirs, clone_function=exchange, call_function=call)
    return keras.Model(ours.inputs[0], ours.output, name=name)


def _numbered(model: keras.Model) -> dict[str, str]:
    """New names for what Keras has numbered through the process."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for operation in model.operations:
        kind = snake_case(type(operation).__name__)
        if re.fullmatch(rf"{kind}(_\d+)?", operation.name):
            count = counts[kind] = counts.get(kind, -1) + 1
            names[operation.name] = f"{kind}_{count}" if count else kind
    return names


def _same_padding(model: keras.Model) -> list[tuple[Any, Any]]:
    """Layers of zero padding that pad as ``same`` would, each with the convolution after it."""
    pairs = []
    for layer in model.layers:
        if not isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            continue
        before = layer.input._keras_history.operation
        if isinstance(before, layers.ZeroPadding2D) and layer.padding == "valid":
            sides = zip(before.input.shape[1:3], layer.kernel_size, layer.strides, strict=True)
            missing = [max(-(-side // s) * s - s + k - side, 0) for side, k, s in sides]
            if before.padding == tuple((total // 2, total - total // 2) for total in missing):
                pairs.append((before, layer))
    return pairs


def _faster(layer: Any) -> Any:
    """Our class for a layer that it can stand for, else the layer's own."""
    kind = type(layer)
    if kind is layers.BatchNormalization and layer.center and layer.scale:
        return BatchNormalization
    plain = (
        kind in (layers.Conv2D, layers.DepthwiseConv2D)
        and not layer.use_bias
        and layer.dilation_rate == (1, 1)
    )
    if plain and kind is layers.Conv2D and layer.groups == 1:
        return Conv2D
    if plain and layer.kernel_size == (3, 3) and layer.depth_multiplier == 1:
        return DepthwiseConv2D
    return kind
