"""Weight files of Keras, read by name and shape into an architecture, and written.

A file is never executed or trusted: HDF5 links out of it are refused, and the declared shape of an
array is compared with the expected one before a byte of it is read.
"""

import contextlib
import hashlib
import io
import itertools
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.networks.architecture import Architecture, Weights, feature_shape, weight_shapes
from transfer.networks.backbone import BACKBONES, HEAD, snake_case

_MAX_FILE_BYTES = 128 << 20
_MAX_ENTRIES = 20_000
#: Where Keras 3, and older Keras (a dense layer, before that a 1x1 convolution), keep it.
_KERAS_3 = {"kernel": "layers/dense/vars/0", "bias": "layers/dense/vars/1"}
_OLDER = (HEAD, "conv_preds")
_MAX_CLASSES = 22_000  # ImageNet-21k has 21,841


def read_weights(
    path: str | Path, architecture: Architecture, head: bool = False
) -> dict[str, np.ndarray]:
    """Weights of a Keras file of a backbone, float32 keyed ``layer/weight``, as `weight_shapes`.

    Understands the HDF5 files of Keras 1 to 3 (``save_weights`` and whole models, of which only the
    arrays are read). ``head``: whether to read the classifier too.
    """
    path = Path(path)
    with open_weights(path) as file:
        arrays = _arrays_by_name(file, architecture)
        shapes = weight_shapes(architecture, head)
        return {
            name: _read(arrays, name, shape, path, architecture) for name, shape in shapes.items()
        }


@contextlib.contextmanager
def open_weights(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file of at most 128 MiB, for reading; damage that the block meets is an error."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise TransferError(f"Expected a weight file of at most 128 MiB. Too large: {path}.")
        if path.is_file() and zipfile.is_zipfile(path):
            raise TransferError(
                f"Expected a Keras weight file (.h5). {path} is a whole model; load it in Keras "
                'and write model.save_weights("source.weights.h5").'
            )
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise TransferError(
            f"Expected a Keras weight file (.h5). {path} is missing, truncated or damaged."
        ) from error


def _keras_paths(architecture: Architecture) -> dict[str, str]:
    """Where Keras 3 keeps each weight: layers counted by class, weights counted by layer."""
    from transfer.networks.network import skeleton, variables

    model, paths = skeleton(architecture), {}
    counts: dict[str, int] = {}
    groups: dict[str, str] = {}
    for layer in model.layers:
        kind = snake_case(type(layer).__name__)
        count = counts[kind] = counts.get(kind, -1) + 1
        groups[layer.name] = f"layers/{kind}_{count}" if count else f"layers/{kind}"
    position: dict[str, int] = {}
    for name in variables(model):
        layer = name.split("/")[0]
        place = position[layer] = position.get(layer, -1) + 1
        paths[name] = f"{groups[layer]}/vars/{place}"
    return paths


def _arrays_by_name(file: h5py.File, architecture: Architecture) -> dict[str, h5py.Dataset]:
    """Every array of the file, keyed ``layer/weight``, whatever the layout."""
    entries = arrays_of(file)
    paths = _keras_paths(architecture)
    by_name = {name: entries[path] for name, path in paths.items() if path in entries}
    for path, entry in entries.items():  # older files: .../conv1/kernel:0
        parts = path.split("/")
        if len(parts) > 1:
            weight = parts[-1].split(":")[0].removeprefix("depthwise_")
            by_name.setdefault(f"{parts[-2]}/{weight}", entry)
    shapes = weight_shapes(architecture, head=False)
    if not shapes.keys() <= by_name.keys():
        ordered = _in_order(file, entries)
        if list(shapes.values()) == [entry.shape for entry in ordered[: len(shapes)]]:
            by_name |= zip(shapes, ordered, strict=False)
    return by_name


def _in_order(file: h5py.File, entries: Mapping[str, h5py.Dataset]) -> list[h5py.Dataset]:
    """Arrays of an older file as Keras reads them: in the order it lists, whatever their names."""
    prefix = "model_weights/" if any(p.startswith("model_weights/") for p in entries) else ""
    group = file[prefix] if prefix else file
    return [
        entries[f"{prefix}{layer}/{weight}"]
        for layer in _texts(group, "layer_names")
        if any(path.startswith(f"{prefix}{layer}/") for path in entries)  # no link is followed
        for weight in _texts(group[layer], "weight_names")
        if f"{prefix}{layer}/{weight}" in entries
    ]


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    texts = group.attrs.get(attribute, [])
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def arrays_of(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every array inside a file by its path; a `TransferError` if there are too many entries."""
    return dict(_walk(file, "", 8, itertools.count(1)))


def _walk(
    group: h5py.Group, prefix: str, depth: int, visited: Iterator[int]
) -> Iterator[tuple[str, h5py.Dataset]]:
    """The arrays below ``group``, following hard links only, at most ``depth`` deep."""
    for key in group:
        # A group may hold itself, many times over: the file is small, the walk is endless.
        if next(visited) > _MAX_ENTRIES:
            raise TransferError(f"Expected at most {_MAX_ENTRIES} entries in a weight file.")
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        entry = group[key]
        if isinstance(entry, h5py.Dataset):
            yield prefix + key, entry
        elif isinstance(entry, h5py.Group) and depth > 0:
            yield from _walk(entry, f"{prefix}{key}/", depth - 1, visited)


def _read(
    arrays: Mapping[str, h5py.Dataset],
    name: str,
    shape: tuple[int, ...],
    path: Path,
    architecture: Architecture,
) -> np.ndarray:
    if name not in arrays:
        raise TransferError(
            f"Expected the weights of a {architecture.backbone} in {path}. {name} is missing. "
            f"{_hint(arrays, architecture)}"
        )
    entry = arrays[name]
    if entry.shape != shape or entry.dtype.kind != "f":
        raise TransferError(
            f"Expected {name} of shape {shape} in {path}. Received: {entry.dtype} {entry.shape}. "
            f"{_hint(arrays, architecture)}"
        )
    return read_values(entry, name, path)


def read_values(entry: h5py.Dataset, name: str, path: Path) -> np.ndarray:
    """The values of an array whose shape has been checked, float32, if it is what it seems."""
    if entry.external or entry.is_virtual:
        raise TransferError(f"Expected the weights inside {path}. {name} points to another file.")
    # Every filter may unpack a chunk of kilobytes to gigabytes, whatever the chunk's own size.
    if entry.id.get_create_plist().get_nfilters():
        raise TransferError(
            f"Expected weights without compression in {path}. {name} is packed: save the weights "
            "again without it."
        )
    # A chunk is read whole, however small the array.
    if (
        entry.dtype.itemsize > 8
        or math.prod(entry.chunks or (1,)) > 2 * math.prod(entry.shape) + 4096
    ):
        raise TransferError(f"Expected {name} in small chunks in {path}. Save the weights again.")
    with np.errstate(all="ignore"):  # what overflows is refused below
        values = np.asarray(entry[()], np.float32)
    if not np.isfinite(values).all():
        raise TransferError(f"Expected finite weights in {path}. {name} has others.")
    return values


def _hint(arrays: Mapping[str, h5py.Dataset], architecture: Architecture) -> str:
    """Which backbone or width the file is of, if its names say so."""
    for name, backbone in BACKBONES.items():
        matches = (re.match(backbone.pattern, array) for array in arrays)
        if len({match[1] for match in matches if match}) != backbone.blocks:
            continue
        if name != architecture.backbone:
            return f"The file is of {name}; give --backbone {name}."
        stem = arrays.get("conv1/kernel")
        if name == "mobilenet" and stem is not None and len(stem.shape) == 4:
            return f"The file is of alpha {stem.shape[3] / 32:g}; give --alpha accordingly."
        return f"The file is of a {name}, but of another width; give its --alpha."
    return f"Is it a {architecture.backbone}?"


def write_weights(path: str | Path, weights: Weights, architecture: Architecture) -> None:
    """Write all weights as Keras' ``save_weights`` would; the bytes follow from them alone."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, location in _keras_paths(architecture).items():
            file.create_dataset(location, data=weights[name])
    write_atomically(path, buffer.getvalue())


def hash_weights(weights: Weights) -> str:
    """SHA-256 over names, shapes and values, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in weights.items():
        digest.update(f"{name} {value.shape} {value.dtype}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


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
        kernel = _read_floats(arrays["kernel"], path).reshape(channels, classes)
        return kernel, _read_floats(arrays["bias"], path)


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


def _read_floats(entry: h5py.Dataset, path: Path) -> np.ndarray:
    """A float array for a bounded number of classes."""
    if entry.dtype.kind != "f" or entry.shape[-1] > _MAX_CLASSES:
        raise TransferError(
            f"Expected a classifier of floats for at most {_MAX_CLASSES} classes in {path}. "
            f"Received: {entry.dtype} {entry.shape}."
        )
    return read_values(entry, "its classifier", path)
