"""Run an exported file by the runtime of its format, and read what it says about itself.

Keras runs .keras, LiteRT (``ai-edge-litert``) .tflite, onnxruntime .onnx. Nothing here imports
TensorFlow, except to run a .keras file.
"""

import importlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import TransferError
from transfer.program import how_to_install
from transfer.progress import quietly

SUFFIXES = {"keras": ".keras", "litert": ".tflite", "onnx": ".onnx"}
#: What each format needs, of the extra ``export``; the first is what runs it.
PACKAGES: dict[str, tuple[str, ...]] = {
    "keras": (),
    "litert": ("ai_edge_litert.interpreter",),
    "onnx": ("onnxruntime", "onnx", "tf2onnx"),
}
METADATA = "transfer.json"  #: name of the metadata inside a file
_BATCH = 64
_MAX_FILE_BYTES = 256 << 20
_MAX_METADATA_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Opened:
    """A network ready to run: uint8 images (N, height, width, 3) to probabilities, and metadata."""

    predict: Callable[[np.ndarray], np.ndarray]
    metadata: dict[str, Any]


def format_of(path: str | Path) -> str:
    """The format a suffix stands for."""
    for name, suffix in SUFFIXES.items():
        if Path(path).suffix == suffix:
            return name
    known = ", ".join(f"{suffix} ({name})" for name, suffix in SUFFIXES.items())
    raise TransferError(f"Expected a file that ends in {known}. Received: {path}.")


def check_request(out: Path, kind: str | None, int8: bool) -> str:
    """The format to write ``out`` in, unless file, format and ``int8`` contradict each other."""
    kind = kind or format_of(out)
    if kind not in SUFFIXES:
        raise TransferError(f"Expected a format of {', '.join(SUFFIXES)}. Received: {kind!r}.")
    if out.suffix != SUFFIXES[kind]:
        raise TransferError(f"Expected a {kind} file to end in {SUFFIXES[kind]}. Received: {out}.")
    if int8 and kind != "litert":
        raise TransferError(f"Expected --int8 with the format litert. Received: {kind}.")
    return kind


def require(package: str) -> Any:
    """Import a package of the extra ``export``; the error says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TransferError(
            f"Expected the package {package.split('.')[0]}. It is not installed: "
            f"{how_to_install('export')}"
        ) from error


def open_exported(path: str | Path, threads: int = 1) -> Opened:
    """Open an exported file with so many threads; Keras, which has one setting, ignores them."""
    path = Path(path)
    kind = format_of(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise TransferError(f"Expected at most {_MAX_FILE_BYTES} bytes in {path}.")
        opener = {"keras": _open_keras, "litert": _open_litert, "onnx": _open_onnx}[kind]
        with quietly():
            return opener(path, threads)
    except TransferError:
        raise
    except Exception as error:  # each runtime has its own kinds of refusal
        reason = first_line(error)
        raise TransferError(
            f"Expected a network in {path}. {kind} cannot read it: {reason}"
        ) from error


def first_line(error: Exception) -> str:
    """What a library says is wrong, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def in_batches(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), _BATCH)
    return np.concatenate([predict(images[start : start + _BATCH]) for start in starts])


def _open_litert(path: Path, threads: int) -> Opened:
    interpreter = require("ai_edge_litert.interpreter").Interpreter(
        model_path=str(path), num_threads=threads
    )
    interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = result["quantization"]
    shape = tuple(given["shape"])

    def predict(images: np.ndarray) -> np.ndarray:
        nonlocal shape
        if images.shape != shape:
            interpreter.resize_tensor_input(given["index"], images.shape)
            interpreter.allocate_tensors()
            shape = images.shape
        interpreter.set_tensor(given["index"], images)
        interpreter.invoke()
        out = interpreter.get_tensor(result["index"])
        return out if scale == 0 else (out.astype(np.float32) - zero) * np.float32(scale)

    return Opened(partial(in_batches, predict), metadata_of_archive(path))


def _open_onnx(path: Path, threads: int) -> Opened:
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(images: np.ndarray) -> np.ndarray:
        return session.run(None, {name: images})[0]

    text = session.get_modelmeta().custom_metadata_map.get(METADATA, "{}")
    return Opened(partial(in_batches, predict), _parsed(text, path))


def _open_keras(path: Path, threads: int) -> Opened:
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return Opened(partial(in_batches, model.predict_on_batch), metadata_of_archive(path))


def metadata_of_archive(path: Path) -> dict[str, Any]:
    """The metadata inside a .keras or .tflite file, in its zip archive; {} if there are none."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if METADATA not in archive.namelist():
            return {}
        if archive.getinfo(METADATA).file_size > _MAX_METADATA_BYTES:
            raise TransferError(f"Expected metadata of at most 1 MiB in {path}.")
        return _parsed(archive.read(METADATA).decode(), path)


def _parsed(text: str, path: Path) -> dict[str, Any]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise TransferError(f"Expected a JSON object as {METADATA} in {path}.")
    return content
