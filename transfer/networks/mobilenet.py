"""MobileNet v1, block by block: the table, the network, its slices and its costs.

Howard et al. 2017, "MobileNets" [M], as in ``keras.applications.MobileNet``: same layer names, same
shapes, same outputs from the same weights. ``n`` counts depthwise separable blocks, 0..13; the
stem always goes with them, so ``n = 0`` is the stem alone.
"""

from dataclasses import dataclass

import keras
from keras import layers

from transfer.errors import UsageError
from transfer.networks.normalization import BatchNormalization
from transfer.runs import BLOCKS

#: One row a block: filters of the pointwise convolution at alpha 1, stride of the depthwise one.
BLOCK_TABLE: tuple[tuple[int, int], ...] = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STEM_FILTERS = 32
HEAD = "predictions"
_DROPOUT = 1e-3


@dataclass(frozen=True)
class Architecture:
    """A MobileNet v1 that ends after block ``n``; everything about its shape follows.

    Attributes
    ----------
    n : int
        Depthwise separable blocks, 1..13 (13: the whole network).
    alpha : float
        Width multiplier, above 0 and at most 2.
    input_size : (int, int)
        Height and width the images are resized to; at least 32 each.
    image_size : (int, int)
        Height and width of the images given to the network.
    classes : int
        Two or more.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    n: int = BLOCKS
    alpha: float = 0.25
    input_size: tuple[int, int] = (48, 80)
    image_size: tuple[int, int] = (45, 80)
    classes: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.n <= BLOCKS:
            raise UsageError(f"Expected 1 <= n <= {BLOCKS}. Received: n={self.n}.")
        if not 0 < self.alpha <= 2 or int(STEM_FILTERS * self.alpha) < 1:
            raise UsageError(f"Expected a width multiplier in (0, 2]. Received: {self.alpha}.")
        if min(self.input_size) < 32 or max(self.input_size) > 1024:
            height, width = self.input_size
            raise UsageError(f"Expected an input of 32 to 1024 pixels a side: {height}x{width}.")
        if self.classes < 2:
            raise UsageError(f"Expected two classes or more. Received: {self.classes}.")

    def filters(self, block: int) -> int:
        """Output channels of a block; block 0 is the stem."""
        return int((STEM_FILTERS if block == 0 else BLOCK_TABLE[block - 1][0]) * self.alpha)


def layers_of_block(block: int) -> tuple[str, ...]:
    """Names of the layers with weights of one block, as in Keras; block 0 is the stem.

    >>> layers_of_block(3)
    ('conv_dw_3', 'conv_dw_3_bn', 'conv_pw_3', 'conv_pw_3_bn')
    """
    if not 0 <= block <= BLOCKS:
        raise UsageError(f"Expected a block of 0..{BLOCKS}. Received: {block}.")
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


def build(architecture: Architecture, bn_momentum: float = 0.99) -> keras.Model:
    """Build the network; its weights are whatever Keras' global seed gives.

    Parameters
    ----------
    architecture : Architecture
    bn_momentum : float
        Momentum of the moving statistics, 0..1 (Keras' default: 0.99).

    Returns
    -------
    keras.Model
        From uint8 images (N, height, width, 3) to class probabilities float32 (N, classes).
        Resizing (bilinear) and rescaling to -1..1 are its first layers.
    """
    height, width = architecture.image_size
    images = keras.Input((height, width, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, dtype="float32", name="to_float")(images)
    if architecture.input_size != architecture.image_size:
        x = layers.Resizing(*architecture.input_size, name="resize")(x)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="conv1_pad")(x)
    stem = layers.Conv2D(
        architecture.filters(0), 3, strides=2, padding="valid", use_bias=False, name="conv1"
    )
    x = _normalised(stem(x), "conv1", bn_momentum)
    for block in range(1, architecture.n + 1):
        x = _separable(x, block, architecture.filters(block), bn_momentum)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling")(x)
    x = layers.Dropout(_DROPOUT, seed=0, name="dropout")(x)
    x = layers.Dense(architecture.classes, activation="softmax", name=HEAD)(x)
    return keras.Model(images, x, name="mobilenet_v1")


def _separable(
    x: keras.KerasTensor, block: int, filters: int, bn_momentum: float
) -> keras.KerasTensor:
    """Depthwise 3x3 convolution, then pointwise 1x1, each with BatchNorm and ReLU6."""
    stride = BLOCK_TABLE[block - 1][1]
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{block}")(x)
    depthwise = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"conv_dw_{block}",
    )
    x = _normalised(depthwise(x), f"conv_dw_{block}", bn_momentum)
    pointwise = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{block}")
    return _normalised(pointwise(x), f"conv_pw_{block}", bn_momentum)


def _normalised(x: keras.KerasTensor, name: str, momentum: float) -> keras.KerasTensor:
    x = BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def parameters(architecture: Architecture) -> int:
    """Number of weights, BatchNorm's moving statistics included, as Keras counts them."""
    total = 0
    for shape in weight_shapes(architecture).values():
        size = 1
        for extent in shape:
            size *= extent
        total += size
    return total


def multiply_adds(architecture: Architecture) -> int:
    """Multiply-adds of one image through convolutions and head ([M], equations 3 and 5).

    A convolution of kernel k x k, M input and N output channels on an output of H x W costs
    ``k * k * M * N * H * W``; a depthwise one ``k * k * M * H * W``.
    """
    height, width = (side // 2 for side in architecture.input_size)
    total = 27 * architecture.filters(0) * height * width
    for block in range(1, architecture.n + 1):
        if BLOCK_TABLE[block - 1][1] == 2:
            height, width = height // 2, width // 2
        before, after = architecture.filters(block - 1), architecture.filters(block)
        total += (9 * before + before * after) * height * width
    return total + architecture.filters(architecture.n) * architecture.classes
