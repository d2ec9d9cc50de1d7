"""From a trained network to the bytes of a file, with metadata inside.

Converters fail silently: Keras' ONNX exporter on a network in training mode, TensorFlow's converter
on a function in place of a saved model. `write` runs every file.
"""

import contextlib
import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.deploy.export.runtimes import METADATA, first_line, require
from transfer.errors import TransferError
from transfer.networks.transplant import get_weights, keras_layer, set_weights
from transfer.progress import quietly

_TIME = (2000, 1, 1, 0, 0, 0)  # of the metadata's entry: the same run gives the same bytes


def plain_layers(model: keras.Model, dtype: str = "uint8") -> keras.Model:
    """The network for inference: Keras' own layers only, no dropout, nothing trainable.

    Training uses layers of this package, which have a fast backward pass; a file with these could
    be opened only where it is installed. ``dtype``: of the images, 0..255 either way; a converter
    that quantises expects float32.
    """

    def call(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        nothing = isinstance(layer, keras.layers.Dropout) or (
            layer.name == "to_float" and dtype == "float32"
        )
        return inputs[0] if nothing else layer(*inputs, **options)

    images = keras.Input(model.input.shape[1:], dtype=dtype, name="images")
    copy = keras.models.clone_model(model, images, clone_function=keras_layer, call_function=call)
    copy.trainable = False
    set_weights(copy, get_weights(model))
    return copy


def to_keras(model: keras.Model) -> bytes:
    """A ``.keras`` archive of plain layers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        plain_layers(model).save(path)
        return path.read_bytes()


def to_litert(model: keras.Model) -> bytes:
    """A float32 LiteRT flatbuffer; any batch size."""
    return _convert(plain_layers(model), None)


def to_litert_int8(model: keras.Model, images: np.ndarray) -> bytes:
    """A full-integer LiteRT flatbuffer: uint8 images in, uint8 probabilities (1/256) out.

    The ranges of the activations are taken from ``images``, representative training images.
    """
    images = np.array(images)
    # The input's range becomes exactly 0..255, so that its quantisation is the identity.
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    return _convert(plain_layers(model, "float32"), images)


def _convert(model: keras.Model, representative: np.ndarray | None) -> bytes:
    import tensorflow as tf

    def examples() -> Iterator[list[np.ndarray]]:
        assert representative is not None
        for image in representative:
            yield [image[None].astype(np.float32)]

    with tempfile.TemporaryDirectory() as folder, _converting("LiteRT"):
        model.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if representative is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        return bytes(converter.convert())


def to_onnx(model: keras.Model) -> bytes:
    """An ONNX file by Keras' exporter, checked by ONNX' own checker; any batch size."""
    onnx = require("onnx")
    require("tf2onnx")
    with tempfile.TemporaryDirectory() as folder, _converting("ONNX"):
        path = Path(folder) / "network.onnx"
        plain = plain_layers(model)
        plain(keras.ops.zeros((1, *plain.input.shape[1:]), "uint8"))  # the exporter wants it
        plain.export(path, format="onnx", verbose=False)
        content = path.read_bytes()
        onnx.checker.check_model(content, full_check=True)
    return content


@contextlib.contextmanager
def _converting(name: str) -> Iterator[None]:
    """Hide what a converter prints, and turn any failure into one sentence."""
    try:
        with warnings.catch_warnings(), quietly():
            warnings.simplefilter("ignore")  # tf2onnx asks numpy for names that are no more
            yield
    except Exception as error:
        raise TransferError(f"The converter to {name} failed: {first_line(error)}") from error


def with_metadata(content: bytes, kind: str, metadata: Mapping[str, Any]) -> bytes:
    """The file with its metadata inside, as JSON: as LiteRT's own tools put label files."""
    text = json.dumps(metadata, indent=1)
    if kind == "onnx":
        onnx = require("onnx")
        model = onnx.load_model_from_string(content)
        model.metadata_props.add(key=METADATA, value=text)
        return bytes(model.SerializeToString())
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(METADATA, _TIME), text)
    return buffer.getvalue()
