"""The classifier of the source task, where a weight file has one."""

from pathlib import Path

import h5py
import numpy as np

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, feature_shape
from transfer.networks.backbone import HEAD
from transfer.networks.weights import arrays_of, open_weights, read_values

#: Where Keras 3, and older Keras (a dense layer, before that a 1x1 convolution), keep it.
_KERAS_3 = {"kernel": "layers/dense/vars/0", "bias": "layers/dense/vars/1"}
_OLDER = (HEAD, "conv_preds")
_MAX_CLASSES = 22_000  # ImageNet-21k has 21,841


def read_classifier(
    path: str | Path, architecture: Architecture
) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of the source task's softmax classifier; None if saved without top."""
    path = Path(path)
    with open_weights(path) as file:
        arrays = _find(file)
        if set(arrays) != {"kernel", "bias"}:
            return None
        (classes,) = arrays["bias"].shape
        channels = feature_shape(architecture, architecture.depth)[-1]
        shape = arrays["kernel"].shape
        if shape not in ((channels, classes), (1, 1, channels, classes)):
            raise TransferError(
                f"Expected a classifier of shape {(channels, classes)} in {path}. "
                f"Received: {shape}; give the --alpha of the file."
            )
        kernel = _read(arrays["kernel"], path).reshape(channels, classes)
        return kernel, _read(arrays["bias"], path)


def _find(file: h5py.File) -> dict[str, h5py.Dataset]:
    """The arrays ``kernel`` and ``bias``; no link out of the file is followed."""
    found: dict[str, h5py.Dataset] = {}
    for name, entry in arrays_of(file).items():
        parts = name.split("/")
        for weight, place in _KERAS_3.items():
            old = len(parts) > 1 and parts[-2] in _OLDER and parts[-1].split(":")[0] == weight
            if (name == place or old) and "optimizer" not in name:
                found.setdefault(weight, entry)
    return found


def _read(entry: h5py.Dataset, path: Path) -> np.ndarray:
    """A float array for a bounded number of classes."""
    if entry.dtype.kind != "f" or entry.shape[-1] > _MAX_CLASSES:
        raise TransferError(
            f"Expected a classifier of floats for at most {_MAX_CLASSES} classes in {path}. "
            f"Received: {entry.dtype} {entry.shape}."
        )
    return read_values(entry, "its classifier", path)
