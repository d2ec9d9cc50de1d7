"""What a network looks at: the filters of its stem, and class activation maps of its blocks.

References
----------
Selvaraju et al. 2017, "Grad-CAM: Visual explanations from deep networks via gradient-based
localization" [S].
Zhou et al. 2016, "Learning deep features for discriminative localization" (CAM).
"""

from typing import TYPE_CHECKING

import numpy as np

from transfer.errors import TransferError
from transfer.networks.architecture import Weights
from transfer.networks.backbone import blocks_of

if TYPE_CHECKING:
    import keras

_BATCH = 64


def stem_filters(weights: Weights) -> np.ndarray:
    """The filters of the stem, on colours as the network sees them.

    ``weights``: as from `transfer.networks.weights.read_weights`; the first is the stem's kernel,
    (rows, columns, 3, filters).
    Returns float32 (filters, rows, columns, 3). The largest absolute weight of each filter is 1.
    """
    kernel = np.moveaxis(np.asarray(next(iter(weights.values())), np.float32), -1, 0)
    largest = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True)
    return kernel / np.where(largest > 0, largest, 1)


def filter_similarity(first: Weights, second: Weights) -> np.ndarray:
    """Cosine of each stem filter of one network with each of another.

    Returns float64 (filters of ``first``, filters of ``second``), -1..1. If one network started
    from the other, the diagonal shows how little each filter has moved.
    """
    kernels = (np.asarray(next(iter(weights.values())), float) for weights in (first, second))
    a, b = (kernel.reshape(-1, kernel.shape[-1]) for kernel in kernels)
    return (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))


def grad_cam(
    model: "keras.Model", images: np.ndarray, block: int, classes: np.ndarray | None = None
) -> np.ndarray:
    """Grad-CAM: where a block's output speaks for a class ([S], equations 1 and 2).

    With A^k the k-th channel of the block's output and y^c the score of class c before softmax,

        alpha_k = mean over positions of dy^c / dA^k,    L = ReLU(sum over k of alpha_k A^k).

    After the last block, which the head averages and weights linearly, this is CAM, divided by the
    number of positions.

    ``images``: uint8 (N, height, width, 3). ``block``: 0 (the stem) to the network's last.
    ``classes``: int (N,), whose score is explained, one an image; None: the most probable.
    Returns float32 (N, rows, columns), of the block's resolution, 0 or more, in units of the score.
    It is zero everywhere if nothing speaks for the class.
    """
    import tensorflow as tf  # here, so that reading a study needs no TensorFlow

    from transfer.networks.network import part_of

    if not 0 <= block < len(blocks_of(model)):
        raise TransferError(f"Expected a block of the network. Received: {block}.")
    below, above = part_of(model, None, block), part_of(model, block, None)
    count = above.output.shape[-1]
    if classes is not None and (
        np.shape(classes) != (len(images),) or not all(0 <= c < count for c in classes)
    ):
        raise TransferError(f"Expected a class of 0..{count - 1} for each of {len(images)} images.")
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
