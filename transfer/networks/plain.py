"""Our fast layers exchanged for Keras' own, so that a saved network opens without this package."""

from typing import Any

import keras

from transfer.networks.transplant import get_weights, set_weights


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
