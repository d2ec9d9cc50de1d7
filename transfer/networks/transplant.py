"""Copy blocks from a base network, freeze them under a BatchNorm semantics, prove they stayed.

A frozen BatchNorm layer normalises by the source's moving statistics under ``inference`` (Keras 3);
in training by batch statistics under ``legacy`` (Keras 2.1.3 to 2.3.1, in which the published
numbers were made) and ``adapt`` (PyTorch), which moves the moving statistics too.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from transfer.networks.architecture import Architecture, Weights, layers_of_block
from transfer.networks.network import variables
from transfer.runs import FROZEN_KINDS, Run

_STATISTICS = ("moving_mean", "moving_variance")


def frozen_layers(run: Run, architecture: Architecture) -> tuple[str, ...]:
    """Names of the layers that training must not change: stem and first n blocks.

    In ``A@nB`` it is the other way round: every block but block n (n = 0: but the stem).
    """
    if run.kind not in FROZEN_KINDS:
        return ()
    assert run.n is not None
    if run.kind == "A@nB":
        blocks = [block for block in range(architecture.depth + 1) if block != run.n]
    else:
        blocks = list(range(run.n + 1))
    return tuple(name for block in blocks for name in layers_of_block(architecture, block))


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Every weight of the network as float32, keyed ``layer/weight``, in the network's order."""
    return {name: np.asarray(v.numpy(), np.float32) for name, v in variables(model).items()}


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Assign ``weights`` (keyed ``layer/weight``); a `ValueError` if one does not fit."""
    known = variables(model)
    for name, value in weights.items():
        if name not in known or tuple(known[name].shape) != value.shape:
            raise ValueError(f"{name} {value.shape} does not fit the network.")
        known[name].assign(value)


def copy_blocks(
    weights: Weights, base: Weights, n: int, architecture: Architecture
) -> dict[str, np.ndarray]:
    """``weights`` with the stem and the first ``n`` blocks replaced by those of ``base``.

    Both are keyed ``layer/weight``; ``base`` may be of another depth, with or without a head.
    """
    wanted = {name for block in range(n + 1) for name in layers_of_block(architecture, block)}
    return {k: base[k] if k.split("/")[0] in wanted else v for k, v in weights.items()}


def freeze(model: keras.Model, names: Iterable[str], bn: str) -> None:
    """Freeze layers under a BatchNorm semantics.

    ``inference``: ``trainable = False``. Otherwise the layer stays in training mode with gamma
    and beta untrainable; under ``legacy`` its momentum is 1, so its statistics never move.
    Dropout in a frozen block (stochastic depth) is off: frozen blocks are a function of the image.
    """
    for name in names:
        layer = model.get_layer(name)
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        if bn == "inference" or not isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
            continue
        layer.gamma.trainable = False
        layer.beta.trainable = False
        if bn == "legacy":
            layer.momentum = 1.0


def frozen_weights(weights: Weights, names: Iterable[str], bn: str) -> dict[str, np.ndarray]:
    """The weights that training must leave as they are; under ``adapt`` statistics may move."""
    frozen = set(names)
    return {
        name: value
        for name, value in weights.items()
        if name.split("/")[0] in frozen
        and not (bn == "adapt" and name.split("/")[1] in _STATISTICS)
    }


def keras_layer(layer: keras.Layer) -> keras.Layer:
    """A new layer of the Keras class that ``layer`` is or is derived from, same configuration."""
    kinds: tuple[Any, ...] = type(layer).__mro__
    kind = next(kind for kind in kinds if kind.__module__.startswith("keras."))
    return kind.from_config(layer.get_config())


def with_keras_layers(model: keras.Model) -> keras.Model:
    """A copy of the network that holds Keras' own layers only; same names and weights."""
    copy = keras.models.clone_model(model, clone_function=keras_layer)
    set_weights(copy, get_weights(model))
    return copy
