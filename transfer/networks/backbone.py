"""The backbones: networks of ``keras.applications``, and where each can be cut into blocks.

**A cut is a tensor over which no edge of the graph jumps**: all that is computed after it is
computed from it alone. Block n ends at its last cut. Three rules hold for every backbone:

- n counts blocks from 1. Cut 0 is the end of the stem, which is all that comes before block 1.
- What stands between two blocks (a downsampling layer) belongs to the second.
- What follows the last block (a final convolution or normalisation) belongs to the last block. So
  the last cut is the end of the backbone, and only pooling and the head come after it.

No TensorFlow is imported here; the functions on graphs are given a Keras model.
"""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfer.errors import TransferError
from transfer.runs import Run

if TYPE_CHECKING:
    import keras
    import pandas as pd

HEAD = "predictions"  #: name of the fully-connected layer
POOLING = "global_average_pooling"  #: name of the layer that follows the last block


@dataclass(frozen=True)
class Backbone:
    """A family of networks of ``keras.applications``."""

    function: str  #: its name in ``keras.applications``
    blocks: int  #: n runs from 0 (the stem) to this
    pattern: str  #: begins the names of a block's layers; its group tells blocks apart
    preprocessing: str  #: of ImageNet images, as in Keras: ``tf`` (-1..1), ``torch`` or ``caffe``
    alpha: float | None = None  #: the usual width; None if there is only one, called 1
    batch_norm: bool = True  #: without, ``legacy`` and ``adapt`` have no meaning
    #: First n of each stage, blocks that see maps of one size. MobileNet v1's paper names none.
    stages: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """As a person calls it."""
        return "MobileNet v1" if self.function == "MobileNet" else self.function


_V3 = r"(expanded_conv(?:_\d+)?)_[a-z]"
_EFFICIENT = r"(block\d+[a-z])"
BACKBONES: dict[str, Backbone] = {
    "mobilenet": Backbone("MobileNet", 13, r"conv_(?:pad|dw|pw)_(\d+)", "tf", 0.25),
    "mobilenet_v2": Backbone(
        "MobileNetV2", 17, r"(expanded_conv|block_\d+)_", "tf", 0.35, stages=(1, 2, 4, 7, 14)
    ),
    "mobilenet_v3_small": Backbone("MobileNetV3Small", 11, _V3, "tf", 1.0, stages=(1, 2, 4, 9)),
    "mobilenet_v3_large": Backbone("MobileNetV3Large", 15, _V3, "tf", 1.0, stages=(1, 2, 4, 7, 13)),
    "efficientnet_b0": Backbone("EfficientNetB0", 16, _EFFICIENT, "torch", stages=(1, 2, 4, 6, 12)),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2B0", 21, _EFFICIENT, "torch", stages=(1, 2, 4, 6, 14)
    ),
    "resnet50": Backbone("ResNet50", 16, r"(conv\d_block\d+)_", "caffe", stages=(1, 4, 8, 14)),
    "convnext_tiny": Backbone(
        "ConvNeXtTiny",
        18,
        r"convnext_tiny_(stage_\d_block_\d+)",
        "torch",
        batch_norm=False,
        stages=(1, 4, 7, 16),
    ),
}
DEFAULT = "mobilenet"


def backbone_of(name: str) -> Backbone:
    """The backbone of this name; a `TransferError` if there is none."""
    if name not in BACKBONES:
        raise TransferError(f"Expected a backbone of {', '.join(BACKBONES)}. Received: {name!r}.")
    return BACKBONES[name]


@dataclass(frozen=True)
class Architecture:
    """A backbone that ends after block ``n``; everything about its shape follows."""

    n: int | None = None  #: blocks, 1 to all of the backbone's; None: all
    alpha: float = 0.25  #: width multiplier, above 0 and at most 2; 1 for backbones of one width
    input_size: tuple[int, int] = (48, 80)  #: height and width images are resized to; 32 or more
    image_size: tuple[int, int] = (45, 80)  #: height and width of the images given
    classes: int = 3  #: two or more
    backbone: str = DEFAULT  #: a key of `BACKBONES`

    def __post_init__(self) -> None:
        backbone = backbone_of(self.backbone)
        if not 1 <= self.depth <= backbone.blocks:
            raise TransferError(
                f"Expected 1 <= n <= {backbone.blocks} for {self.backbone}. Received: n={self.n}."
            )
        if not 0 < self.alpha <= 2 or int(32 * self.alpha) < 1:
            raise TransferError(f"Expected --alpha of 0.03125 to 2. Received: {self.alpha:g}.")
        if backbone.alpha is None and self.alpha != 1:
            raise TransferError(
                f"{self.backbone} has one width. Expected alpha 1. Received: {self.alpha:g}."
            )
        if min(self.input_size) < 32 or max(self.input_size) > 1024:
            height, width = self.input_size
            raise TransferError(f"Expected an input of 32 to 1024 pixels a side: {height}x{width}.")
        if self.classes < 2:
            raise TransferError(f"Expected two classes or more. Received: {self.classes}.")

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return BACKBONES[self.backbone].blocks if self.n is None else self.n


def check_run(run: Run, backbone: str) -> None:
    """Refuse a run that this backbone cannot have: with too many blocks, or without BatchNorm."""
    blocks = backbone_of(backbone).blocks
    if run.n is not None and run.n > blocks:
        raise TransferError(f"{backbone} has {blocks} blocks. Received: {run.name}, n={run.n}.")
    if run.bn in ("legacy", "adapt") and not BACKBONES[backbone].batch_norm:
        raise TransferError(
            f"{backbone} has no BatchNorm, so {run.bn} has no meaning: leave --bn at inference."
        )


def backbone_in(runs: "pd.DataFrame") -> Backbone:
    """The backbone of these rows of runs.csv; rows that name none are of MobileNet v1."""
    named = [name for name in runs.get("backbone", []) if name in BACKBONES]
    return BACKBONES[named[0] if named else DEFAULT]


@dataclass(frozen=True)
class Cut:
    """The end of a block, and what the block costs."""

    n: int  #: the block that ends here; 0: the stem
    layer: str  #: the layer (or operation) whose output the cut is
    channels: int  #: of that output
    stride: int  #: pixels of the input, along a side, for one position of that output
    parameters: int  #: of this block alone
    multiply_adds: int  #: of this block alone, for one image


def blocks_of(model: "keras.Model") -> list[list[Any]]:
    """The layers and operations of stem, block 1, ... and last block, each in order.

    The output of the last of each list is the block's cut; pooling and head belong to no block.
    """
    operations = list(model.operations)  # what an operation needs stands before it
    names = [operation.name for operation in operations]
    if POOLING in names:
        operations = operations[: names.index(POOLING)]
    pattern = re.compile(backbone_of(model.name).pattern)
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    for place, operation in enumerate(operations):
        if match := pattern.match(operation.name):
            begins.setdefault(match[1], place)
            ends[match[1]] = place
    cuts = cut_places(operations)
    first = min(begins.values(), default=len(operations))
    places = [max(cut for cut in cuts if cut < first)]
    places += [min(cut for cut in cuts if cut >= end) for end in sorted(ends.values())]
    places[-1] = len(operations) - 1
    starts = [0, *(place + 1 for place in places)]
    return [operations[a : b + 1] for a, b in zip(starts, places, strict=False)]


def cut_places(operations: list[Any]) -> list[int]:
    """Places of the operations whose output no edge jumps over."""
    place = {id(operation): number for number, operation in enumerate(operations)}
    furthest = list(range(len(operations)))  # the last operation that uses an output
    for number, operation in enumerate(operations):
        for tensor in inputs_of(operation):
            producer = place[id(tensor._keras_history.operation)]
            furthest[producer] = max(furthest[producer], number)
    cuts, reached = [], 0
    for number, last in enumerate(furthest):
        if reached <= number:
            cuts.append(number)
        reached = max(reached, last)
    return cuts


def cuts_of(model: "keras.Model") -> list[Cut]:
    """Every cut of a network, as `blocks_of`: stem first."""
    cuts, stride = [], 1
    for n, block in enumerate(blocks_of(model)):
        stride *= _stride(block)
        last = block[-1]
        weights = [weight for operation in block for weight in getattr(operation, "weights", ())]
        cuts.append(
            Cut(
                n,
                last.name,
                last.output.shape[-1],
                stride,
                sum(math.prod(weight.shape) for weight in weights),
                sum(map(multiply_adds_of, block)),
            )
        )
    return cuts


def _stride(block: list[Any]) -> int:
    """Product of the strides along the longest way through a block."""
    strides: dict[int, int] = {}
    for operation in block:
        before = max((strides.get(id(tensor), 1) for tensor in inputs_of(operation)), default=1)
        own = getattr(operation, "strides", 1)
        strides[id(operation.output)] = before * (own if isinstance(own, int) else own[0])
    return strides[id(block[-1].output)]


def snake_case(name: str) -> str:
    """``conv2d`` for ``Conv2D``, ``depthwise_conv2d`` for ``DepthwiseConv2D``, as Keras has it."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def inputs_of(operation: Any) -> list[Any]:
    """The tensors that a layer or operation is given."""
    inputs = operation.input
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def multiply_adds_of(layer: Any) -> int:
    """Multiply-adds of a layer for one image: size of its kernel times positions of its output.

    A convolution of kernel k x k, M input and N output channels on an output of H x W costs
    ``k * k * M * N * H * W``; a depthwise one ``k * k * M * H * W`` (Howard et al. 2017, equations
    3 and 5).
    """
    kernel = getattr(layer, "kernel", None)
    return 0 if kernel is None else math.prod(kernel.shape) * math.prod(layer.output.shape[1:-1])
