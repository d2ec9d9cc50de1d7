"""Networks cut from any functional Keras model, at layers that a person names."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import keras

from transfer.errors import TransferError
from transfer.networks.backbone import HEAD, POOLING, cut_places
from transfer.runs import FROZEN_KINDS, Run


def split(model: keras.Model, cuts: Sequence[str]) -> list[list[Any]]:
    """The layers and operations of the stem, block 1, ... and the last block, ended by ``cuts``."""
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise TransferError("Expected a functional keras.Model, whose graph can be cut.")
    operations = list(model.operations)
    if any(isinstance(operation, keras.Model) for operation in operations):
        raise TransferError("Expected a model of layers. It holds a model; cut that one.")
    names, whole = [operation.name for operation in operations], set(cut_places(operations))
    start, blocks = 0, []
    for name in cuts:
        if name not in names[start:]:
            raise TransferError(
                f"Expected cuts in the order of the model's layers. Not found in it, or not after "
                f"the cut before it: {name!r}."
            )
        place = names.index(name)
        if place not in whole:
            raise TransferError(f"A shortcut jumps over {name!r}: choose the layer that ends it.")
        blocks.append(operations[start : place + 1])
        start = place + 1
    if len(blocks) < 2:
        raise TransferError("Expected two cuts or more: the ends of the stem and of block 1.")
    return blocks


def cut_from(
    run: Run,
    model: keras.Model,
    cuts: Sequence[str],
    image_size: tuple[int, int],
    classes: int,
    base: keras.Model | None = None,
) -> keras.Model:
    """The network of a run before training, with ``model`` as baseA; ``base``: a trained baseB.

    The part of ``model`` in it is one layer, a clone whose initial values follow from seed and
    layer.
    """
    from transfer.networks.transplant import freeze

    blocks = split(model, cuts)
    last = len(blocks) - 1
    if run.n is not None and run.n > last:
        raise TransferError(f"The model was cut into {last} blocks. Received: {run.name}.")
    if run.kind == "RnB":
        raise TransferError("RnB is for the named backbones: its statistics are estimated there.")
    end = blocks[last if run.depth is None else run.depth][-1].output
    stream = "baseB" if run.kind == "baseB" else ""

    def seed_of(place: str) -> int:
        digest = hashlib.sha256(f"{run.seed} {stream} {place}".encode()).digest()
        return int.from_bytes(digest[:4]) & 0x7FFFFFFF

    def seeded(layer: Any) -> Any:
        config = layer.get_config()
        for key, value in config.items():
            if isinstance(value, dict) and "seed" in (value.get("config") or {}):
                value["config"]["seed"] = seed_of(f"{layer.name}/{key}")
        return type(layer).from_config(config)

    part = keras.models.clone_model(
        keras.Model(model.input, end, name=model.name), clone_function=seeded
    )
    _copy(run, blocks, part, model if run.needs_base_a else base)
    if run.kind in FROZEN_KINDS:
        frozen = [
            (number != run.n) if run.kind == "A@nB" else (number <= (run.n or 0))
            for number in range(len(blocks))
        ]
        parts = itertools.chain.from_iterable(itertools.compress(blocks, frozen))
        freeze(part, [each.name for each in parts if getattr(each, "variables", ())], run.bn)
    images = keras.Input((*image_size, 3), dtype="uint8", name="images")
    x = keras.layers.Rescaling(1.0, dtype="float32", name="to_float")(images)
    wanted = tuple(model.input_shape[1:3])
    if None not in wanted and wanted != image_size:
        x = keras.layers.Resizing(*wanted, name="resize")(x)
    x = keras.layers.GlobalAveragePooling2D(name=POOLING)(part(x))
    glorot = keras.initializers.GlorotUniform(seed_of(f"{HEAD}/kernel"))
    x = keras.layers.Dense(classes, "softmax", kernel_initializer=glorot, name=HEAD)(x)
    return keras.Model(images, x)


def _copy(run: Run, blocks: list[list[Any]], part: keras.Model, source: keras.Model | None) -> None:
    """Give the stem and the first n blocks of ``part`` the weights that its name says."""
    if run.kind == "baseB":
        return
    if source is None:
        raise TransferError(f"{run.network} copies from a trained baseB. Give one: base=...")
    if not run.needs_base_a:
        source = source.get_layer(part.name)
    whole = run.n is None or run.kind == "A@nB"
    for block in blocks if whole else blocks[: run.n + 1]:  # type: ignore[operator]
        for operation in block:
            if getattr(operation, "weights", ()):
                part.get_layer(operation.name).set_weights(
                    source.get_layer(operation.name).get_weights()
                )
