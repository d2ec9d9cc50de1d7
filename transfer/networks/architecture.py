"""The shape of MobileNet v1, block by block: table, names, weights, costs. No TensorFlow here.

Howard et al. 2017, "MobileNets" [M], with the layer names of ``keras.applications.MobileNet``.
``n`` counts depthwise separable blocks, 0..13; the stem always goes with them, so ``n = 0`` is the
stem alone.
"""

import math
from dataclasses import dataclass

from transfer.errors import TransferError
from transfer.runs import BLOCKS

#: One row a block: filters of the pointwise convolution at alpha 1, stride of the depthwise one.
BLOCK_TABLE: tuple[tuple[int, int], ...] = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STEM_FILTERS = 32
HEAD = "predictions"  #: name of the fully-connected layer


@dataclass(frozen=True)
class Architecture:
    """A MobileNet v1 that ends after block ``n``; everything about its shape follows.

    ``n``: depthwise separable blocks, 1..13 (13: the whole network).
    ``alpha``: width multiplier, above 0 and at most 2.
    ``input_size``: height and width the images are resized to; at least 32 each.
    ``image_size``: height and width of the images given to the network.
    ``classes``: two or more.
    Raises `TransferError` if a value is out of range.
    """

    n: int = BLOCKS
    alpha: float = 0.25
    input_size: tuple[int, int] = (48, 80)
    image_size: tuple[int, int] = (45, 80)
    classes: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.n <= BLOCKS:
            raise TransferError(f"Expected 1 <= n <= {BLOCKS}. Received: n={self.n}.")
        if not 0 < self.alpha <= 2 or int(STEM_FILTERS * self.alpha) < 1:
            raise TransferError(f"Expected a width multiplier in (0, 2]. Received: {self.alpha}.")
        if min(self.input_size) < 32 or max(self.input_size) > 1024:
            height, width = self.input_size
            raise TransferError(f"Expected an input of 32 to 1024 pixels a side: {height}x{width}.")
        if self.classes < 2:
            raise TransferError(f"Expected two classes or more. Received: {self.classes}.")

    def filters(self, block: int) -> int:
        """Output channels of a block; block 0 is the stem."""
        return int((STEM_FILTERS if block == 0 else BLOCK_TABLE[block - 1][0]) * self.alpha)


def layers_of_block(block: int) -> tuple[str, ...]:
    """Names of the layers with weights of one block, as in Keras; block 0 is the stem.

    >>> layers_of_block(3)
    ('conv_dw_3', 'conv_dw_3_bn', 'conv_pw_3', 'conv_pw_3_bn')
    """
    if not 0 <= block <= BLOCKS:
        raise TransferError(f"Expected a block of 0..{BLOCKS}. Received: {block}.")
    if block == 0:
        return ("conv1", "conv1_bn")
    stems = (f"conv_dw_{block}", f"conv_pw_{block}")
    return tuple(name for stem in stems for name in (stem, f"{stem}_bn"))


def weight_shapes(architecture: Architecture, head: bool = True) -> dict[str, tuple[int, ...]]:
    """Shape of every weight, keyed ``layer/weight``, in the network's order."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, kernel: tuple[int, ...], channels: int) -> None:
        shapes[f"{name}/kernel"] = kernel
        for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"{name}_bn/{weight}"] = (channels,)

    convolution("conv1", (3, 3, 3, architecture.filters(0)), architecture.filters(0))
    for block in range(1, architecture.n + 1):
        before, after = architecture.filters(block - 1), architecture.filters(block)
        convolution(f"conv_dw_{block}", (3, 3, before, 1), before)
        convolution(f"conv_pw_{block}", (1, 1, before, after), after)
    if head:
        shapes[f"{HEAD}/kernel"] = (architecture.filters(architecture.n), architecture.classes)
        shapes[f"{HEAD}/bias"] = (architecture.classes,)
    return shapes


def feature_shape(architecture: Architecture, block: int) -> tuple[int, int, int]:
    """Height, width and channels of a block's output; block 0 is the stem."""
    height, width = ((side + 1) // 2 for side in architecture.input_size)
    for _, stride in BLOCK_TABLE[:block]:
        height, width = height // stride, width // stride
    return height, width, architecture.filters(block)


def parameters(architecture: Architecture) -> int:
    """Number of weights, BatchNorm's moving statistics included, as Keras counts them."""
    return sum(math.prod(shape) for shape in weight_shapes(architecture).values())


def multiply_adds(architecture: Architecture) -> int:
    """Multiply-adds of one image through convolutions and head ([M], equations 3 and 5).

    A convolution of kernel k x k, M input and N output channels on an output of H x W costs
    ``k * k * M * N * H * W``; a depthwise one ``k * k * M * H * W``.
    """
    height, width, channels = feature_shape(architecture, 0)
    total = 27 * channels * height * width
    for block in range(1, architecture.n + 1):
        height, width, _ = feature_shape(architecture, block)
        before, after = architecture.filters(block - 1), architecture.filters(block)
        total += (9 * before + before * after) * height * width
    return total + architecture.filters(architecture.n) * architecture.classes
