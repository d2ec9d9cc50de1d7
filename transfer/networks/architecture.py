"""What follows from the shape of a network, read from its Keras graph: weights, costs, cuts."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from transfer.errors import TransferError
from transfer.networks.backbone import HEAD, Architecture, blocks_of, cuts_of, multiply_adds_of

if TYPE_CHECKING:
    import keras

Weights = Mapping[str, np.ndarray]  #: float32 arrays keyed ``layer/weight``


def _skeleton(architecture: Architecture) -> "keras.Model":
    from transfer.networks.network import skeleton  # it imports TensorFlow

    return skeleton(architecture)


def layers_of_block(architecture: Architecture, block: int) -> tuple[str, ...]:
    """Names of the layers of one block that have weights or are random; block 0 is the stem."""
    if not 0 <= block <= architecture.depth:
        raise TransferError(f"Expected a block of 0..{architecture.depth}. Received: {block}.")
    operations = blocks_of(_skeleton(architecture))[block]
    return tuple(op.name for op in operations if getattr(op, "variables", ()))


def weight_shapes(architecture: Architecture, head: bool = True) -> dict[str, tuple[int, ...]]:
    """Shape of every weight, keyed ``layer/weight``, in the network's order."""
    from transfer.networks.network import variables

    return {
        name: tuple(variable.shape)
        for name, variable in variables(_skeleton(architecture)).items()
        if head or not name.startswith(f"{HEAD}/")
    }


def feature_shape(architecture: Architecture, block: int) -> tuple[int, int, int]:
    """Height, width and channels of a block's output; block 0 is the stem."""
    return blocks_of(_skeleton(architecture))[block][-1].output.shape[1:]


def parameters(architecture: Architecture) -> int:
    """Number of weights, BatchNorm's moving statistics included, as Keras counts them."""
    return sum(math.prod(shape) for shape in weight_shapes(architecture).values())


def multiply_adds(architecture: Architecture) -> int:
    """Multiply-adds of one image through convolutions and fully-connected layers, head included."""
    return sum(map(multiply_adds_of, _skeleton(architecture).layers))


def cuts_table(backbone: str, alpha: float, input_size: tuple[int, int]) -> pd.DataFrame:
    """Every cut of a backbone, stem first, with what it costs.

    ``parameters_up_to``, ``multiply_adds_up_to``: shares of the backbone, 0..1, in the stem and the
    first n blocks. Pooling and head count nowhere.
    """
    architecture = Architecture(None, alpha, input_size, input_size, backbone=backbone)
    table = pd.DataFrame([asdict(cut) for cut in cuts_of(_skeleton(architecture))])
    for column in ("parameters", "multiply_adds"):
        table[f"{column}_up_to"] = (table[column].cumsum() / table[column].sum()).round(4)
    height, width = input_size
    table.insert(0, "backbone", backbone)
    table.insert(1, "alpha", alpha)
    table.insert(2, "input", f"{height}x{width}")
    return table
