"""The frozen part of a network, computed once and kept in a memory-mapped .npy file.

Under the ``inference`` semantics stem and first n frozen blocks are a fixed function of the image.
Features are computed one block at a time and in the same batches, so that the result does not
depend on what was kept. A file without its SHA-256 is computed again.
"""

import contextlib
import functools
import hashlib
import io
import math
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from transfer.archives import open_array
from transfer.errors import TransferError
from transfer.files import exclusively, open_atomically, read_bytes, sha256_of, write_atomically
from transfer.networks.architecture import Architecture, Weights, feature_shape, layers_of_block
from transfer.networks.network import build, part_of
from transfer.networks.transplant import set_weights
from transfer.networks.weights import hash_weights
from transfer.runs import Run
from transfer.tasks.dataset import Dataset

_BATCH = 128
_MOST_BYTES_A_BLOCK = 1 << 30
_MOST_TIMES_AN_IMAGE = 3  # larger features cost more to move than they save: block 1 at 48x80
_MOST_BYTES = 4 << 30  # of a study's features; the longest unused are discarded first
_DIGEST_BYTES = 64  # as text
_CACHED_KINDS = ("BnB", "AnB", "RnB")


def cached_after(run: Run, architecture: Architecture, images: int) -> int | None:
    """The block whose output a run is trained on instead of images; None: on images.

    A function of the run and the data set (of so many ``images``) alone, so that repeating a run
    repeats its arithmetic.
    """
    if run.kind not in _CACHED_KINDS or run.bn != "inference" or run.fraction < 1 or run.n is None:
        return None
    size = 4 * math.prod(feature_shape(architecture, run.n))
    height, width = architecture.image_size
    small = size <= _MOST_TIMES_AN_IMAGE * 3 * height * width
    return run.n if small and size * images <= _MOST_BYTES_A_BLOCK else None


def features(
    folder: Path, data: Dataset, architecture: Architecture, weights: Weights, n: int
) -> dict[str, np.ndarray]:
    """Output of block ``n`` for every image of a data set, read from ``folder`` or computed."""
    found: dict[str, np.ndarray] = {}
    keys = [_key(architecture, weights, block) for block in range(n + 1)]
    # Wait until no other process computes features of the same stem.
    with exclusively(folder / f"{keys[0]}.lock"):
        for left in folder.glob(f".{keys[0][:16]}-*.tmp"):  # by a process that was killed
            left.unlink(missing_ok=True)
        for name, split in data.splits.items():
            kept = _open(folder / f"{keys[n]}-{name}.npy")
            if kept is None:
                kept = _compute(folder, name, split.images, architecture, weights, keys)
            found[name] = kept
        _discard_oldest(folder)
    return found


def _key(architecture: Architecture, weights: Weights, block: int) -> str:
    """A file name: a hash of the stem's weights, whose features share a lock, and of all used."""
    hashes = []
    for last in (0, block):
        names = {name for b in range(last + 1) for name in layers_of_block(architecture, b)}
        prefix = {key: value for key, value in weights.items() if key.split("/")[0] in names}
        hashes.append(hash_weights(prefix)[:16])
    return f"{'-'.join(hashes)}-{block}"


def _compute(
    folder: Path,
    split: str,
    images: np.ndarray,
    architecture: Architecture,
    weights: Weights,
    keys: list[str],
) -> np.ndarray:
    """Features of the last key, from the nearest block below that is kept."""
    n = len(keys) - 1
    inputs, after = images, None
    for block in range(n - 1, -1, -1):
        kept = _open(folder / f"{keys[block]}-{split}.npy")
        if kept is not None:
            inputs, after = kept, block
            break
    model, functions = _network(architecture)
    set_weights(model, weights)
    blocks = functions[0 if after is None else after + 1 : n + 1]
    path = folder / f"{keys[n]}-{split}.npy"
    header = io.BytesIO()
    shape = (len(images), *feature_shape(architecture, n))
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(header, described)
    digest = hashlib.sha256(header.getvalue())
    with open_atomically(path) as stream:
        stream.write(header.getvalue())
        for start in range(0, len(inputs), _BATCH):
            x = tf.constant(inputs[start : start + _BATCH])
            for block_function in blocks:
                x = block_function(x)
            content = x.numpy().tobytes()
            digest.update(content)
            stream.write(content)
    write_atomically(_digest_of(path), digest.hexdigest())
    kept = _open(path)
    if kept is None:
        raise TransferError(f"Cannot read the features {path} that were just written.")
    return kept


@functools.lru_cache(maxsize=1)
def _network(
    architecture: Architecture,
) -> tuple[keras.Model, list[Callable[[tf.Tensor], tf.Tensor]]]:
    """A network and a function a block, stem first: traced once, whatever weights it is given."""
    model = build(architecture)
    blocks = range(architecture.depth + 1)
    parts = [part_of(model, block - 1 if block else None, block) for block in blocks]
    # training=False is not the default here: Keras' Resizing turns it on for all layers after it.
    functions = [
        tf.function(
            lambda x, part=part: part(x, training=False),
            input_signature=[tf.TensorSpec(part.input.shape, part.input.dtype)],
        )
        for part in parts
    ]
    return model, functions


def _digest_of(path: Path) -> Path:
    """Where the SHA-256 of a kept file is."""
    return path.with_name(f"{path.name}.sha256")


def _open(path: Path) -> np.ndarray | None:
    """A kept file, memory-mapped, marked as used now; None if there is none or it is damaged."""
    try:
        # Not touch, which would make an empty file where one has just vanished.
        os.utime(path, follow_symlinks=False)
        array = open_array(path, np.float32, (4,))
        return array if _is_whole(path, path.stat().st_ino) else None
    except (FileNotFoundError, TransferError):
        return None  # computed again


@functools.lru_cache(maxsize=1024)
def _is_whole(path: Path, inode: int) -> bool:
    """Whether a kept file has the SHA-256 it was written with: looked at once a process."""
    digest = read_bytes(_digest_of(path), _DIGEST_BYTES).decode("ascii", "replace")
    return sha256_of(path) == digest


def _discard_oldest(folder: Path) -> None:
    """Keep to the bound: what was not used for longest goes first."""
    found = []
    for path in folder.glob("*.npy"):
        with contextlib.suppress(FileNotFoundError):  # discarded by another process
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
            _digest_of(path).unlink(missing_ok=True)
