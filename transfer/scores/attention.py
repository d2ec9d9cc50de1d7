"""What a network looks at: the filters of its stem, and class activation maps of its blocks.

References
----------
Selvaraju et al. 2017, "Grad-CAM: Visual explanations from deep networks via gradient-based
localization" [S].
Zhou et al. 2016, "Learning deep features for discriminative localization" (CAM).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from transfer.errors import UsageError
from transfer.networks.architecture import BLOCK_TABLE

if TYPE_CHECKING:
    import keras

_BATCH = 64


def stem_filters(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """The 3x3 filters of the stem, on colours as the network sees them.

    Parameters
    ----------
    weights : mapping of ``layer/weight`` to arrays
        With ``conv1/kernel`` (3, 3, 3, filters), as from `transfer.networks.weights.read_weights`.

    Returns
    -------
    float32 (filters, 3, 3, 3)
        Rows, columns, RGB; the largest absolute weight of each filter is 1.
    """
    kernel = np.moveaxis(np.asarray(weights["conv1/kernel"], np.float32), -1, 0)
    largest = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True)
    return kernel / np.where(largest > 0, largest, 1)


def filter_similarity(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Cosine of each stem filter of one network with each of another, float64 (filters, filters).

    Row: filters of ``first``; column: of ``second``; -1..1. The diagonal says how far a network
    that started from another has moved; off it, filters of networks that have nothing to do with
    each other are compared.
    """
    a, b = (
        np.asarray(weights["conv1/kernel"], float).reshape(27, -1) for weights in (first, second)
    )
    return (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))


def grad_cam(
    model: "keras.Model", images: np.ndarray, block: int, classes: np.ndarray | None = None
) -> np.ndarray:
    """Grad-CAM: where a block's output speaks for a class ([S], equations 1 and 2).

    With A^k the k-th channel of the block's output and y^c the score of class c before softmax,

        alpha_k = mean over positions of dy^c / dA^k,    L = ReLU(sum over k of alpha_k A^k).

    After the last block, which the head averages and weights linearly, this is CAM, divided by the
    number of positions.

    Parameters
    ----------
    model : keras.Model
        As from `transfer.networks.mobilenet.build`. BatchNorm normalises by its moving statistics.
    images : uint8 (N, height, width, 3)
    block : int
        0 (the stem) to the network's last.
    classes : int (N,) or None
        Class whose score is explained, an image; None: the one the network says.

    Returns
    -------
    float32 (N, rows, columns)
        Of the block's resolution, 0 or more, in units of the score. Zero everywhere if nothing
        speaks for the class.

    Raises
    ------
    UsageError
        If the network has no such block, or ``classes`` are not its own.
    """
    import tensorflow as tf  # here, so that reading a study needs no TensorFlow

    from transfer.networks.mobilenet import part_of

    if not 0 <= block <= len(BLOCK_TABLE) or not _has(model, block):
        raise UsageError(f"Expected a block of the network. Received: {block}.")
    below, above = part_of(model, None, block), part_of(model, block, None)
    count = above.output.shape[-1]
    if classes is not None and (
        np.shape(classes) != (len(images),) or not all(0 <= c < count for c in classes)
    ):
        raise UsageError(f"Expected a class of 0..{count - 1} for each of {len(images)} images.")
    maps = []
    for start in range(0, len(images), _BATCH):
        features = below(np.ascontiguousarray(images[start : start + _BATCH]), training=False)
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = above(features, training=False)
            chosen = logits.numpy().argmax(1) if classes is None else classes[start:][: len(logits)]
            # Images do not meet in the network: the gradient of the sum holds each one's own.
            score = tf.reduce_sum(tf.gather(logits, chosen, axis=1, batch_dims=1))
        alpha = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(alpha * features, -1)).numpy())
    return np.concatenate(maps)


def _has(model: "keras.Model", block: int) -> bool:
    name = f"conv_pw_{block}_relu" if block else "conv1_relu"
    return any(layer.name == name for layer in model.layers)


def draw_filters(filters: Mapping[str, np.ndarray], columns: int = 4) -> Figure:
    """Stem filters of several networks side by side: one panel a network.

    Parameters
    ----------
    filters : mapping of a title to float (filters, 3, 3, 3), -1..1
        As from `stem_filters`. Grey is zero, a colour what the filter answers to.
    columns : int
        Filters a row.
    """
    figure = Figure(figsize=(2.4 * len(filters), 1.6), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(filters), squeeze=False)[0]
    for axis, (title, of) in zip(axes, filters.items(), strict=True):
        rows = -(-len(of) // columns)
        sheet = np.ones((rows * 4 + 1, columns * 4 + 1, 3))
        for number, one in enumerate(of):
            top, left = number // columns * 4 + 1, number % columns * 4 + 1
            sheet[top : top + 3, left : left + 3] = 0.5 + one / 2
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(title, fontsize=7)
        axis.axis("off")
    return figure


def draw_maps(images: np.ndarray, titles: Sequence[str], maps: Mapping[str, np.ndarray]) -> Figure:
    """Images in the first row, below them a row of class activation maps a network and block.

    Parameters
    ----------
    images : uint8 (N, height, width, 3)
    titles : one an image
    maps : mapping of a row's title to float (N, rows, columns), 0 or more
        As from `grad_cam`. Each is scaled by its own maximum: maps show where, not how much. A
        title is broken after a comma.
    """
    count, (height, width) = len(images), images.shape[1:3]
    side = 1.2
    figure = Figure(
        figsize=(count * side, (1 + len(maps)) * (side * height / width + 0.08)),
        dpi=100,
        layout="constrained",
    )
    axes = figure.subplots(1 + len(maps), count, squeeze=False)
    extent = (0, width, height, 0)  # a map covers the image, whatever its resolution
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for place, image in enumerate(images):
        axes[0, place].imshow(image, extent=extent)
        axes[0, place].set_title(titles[place], fontsize=6, pad=2)
        grey = np.repeat(image.mean(-1, keepdims=True) / 255, 3, -1)
        for row, (title, of) in enumerate(maps.items(), 1):
            axis, one = axes[row, place], of[place]
            axis.imshow(grey, extent=extent)
            shown = one / one.max() if one.max() > 0 else one
            axis.imshow(
                shown, cmap="inferno", vmin=0, vmax=1, alpha=0.6, extent=extent,
                interpolation="bilinear",
            )  # fmt: skip
            axis.set_xlim(0, width)
            axis.set_ylim(height, 0)
            if place == 0:
                axis.set_ylabel(title.replace(", ", "\n"), fontsize=6)
    return figure
