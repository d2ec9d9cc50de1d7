"""Export a finished run to a file that takes camera frames and returns probabilities.

A file is put in place only after the runtime of its format has run it on the whole test set. The
accuracy it reached stands in the metadata, inside the file and beside it.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.deploy.export import convert, runtimes
from transfer.deploy.export.open import Finished, open_data, read_finished
from transfer.errors import TransferError
from transfer.files import write_atomically
from transfer.machine import versions_of
from transfer.networks.architecture import Weights
from transfer.networks.network import build
from transfer.networks.transplant import set_weights
from transfer.networks.weights import hash_weights
from transfer.results import has_predictions, read_predictions, to_repeat
from transfer.tasks.dataset import Dataset
from transfer.training.evaluation import accuracy
from transfer.training.reestimate import reestimate

TOLERANCE = 1e-4  #: of a float file's probabilities
# Recorded predictions have four decimals and may be those of another machine.
_RECORDED_TOLERANCE = 1e-3
_REPRESENTATIVE_IMAGES = 300
_CHOICE_SEED = 0
_FINAL_IMAGES = 64
_LIBRARIES = ("tensorflow-cpu", "tensorflow", "keras", "ai-edge-litert", "onnx", "onnxruntime")


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported file, ``FILE.json`` beside it, and what it gives for the test images."""

    path: Path
    sidecar: Path
    metadata: dict[str, Any]
    accuracy_lost: float  #: accuracy of the Keras network minus that of the file, -1..1
    probabilities: np.ndarray  #: float32 (N, classes)


def export(
    run: str | Path,
    out: str | Path,
    kind: str | None = None,
    int8: bool = False,
    data: str | Path | None = None,
    images: int = 0,
) -> Exported:
    """Export the run ``STUDY_DIR/RUN_NAME`` to ``out``, verified; else nothing is written.

    ``kind``: ``keras``, ``litert``, ``onnx``, or None: by the suffix of ``out``. ``int8``: full-
    integer weights and activations; ``litert`` only. ``data``: folder of the study's data set, if
    it has moved. ``images``: training images, unlabelled, to re-estimate all BatchNorm statistics
    on; 0: as trained.
    """
    out = Path(out)
    kind = runtimes.check_request(out, kind, int8)
    finished = read_finished(run)
    for package in runtimes.PACKAGES[kind]:
        runtimes.require(package)
    return export_finished(finished, open_data(finished, data), out, kind, int8, images)


def export_finished(
    finished: Finished, data: Dataset, out: Path, kind: str, int8: bool = False, images: int = 0
) -> Exported:
    """As `export`, of a run and a data set that are open already."""
    weights = finished.weights()
    _check_recorded(finished, _predictions(_network(finished, data, weights), data))
    if images:
        architecture = finished.architecture((data.height, data.width))
        weights = reestimate(architecture, weights, chosen_images(data, images))
    return export_weights(finished, data, weights, out, kind, int8, {"reestimated_on": images})


def export_weights(
    finished: Finished,
    data: Dataset,
    weights: Weights,
    out: Path,
    kind: str,
    int8: bool,
    facts: Mapping[str, Any],
) -> Exported:
    """As `export`, of a run whose weights were changed; ``facts`` in the metadata say how."""
    network = _network(finished, data, weights)
    expected = _predictions(network, data)
    if int8:
        images = chosen_images(data, min(_REPRESENTATIVE_IMAGES, len(data.train.images)))
        content = convert.to_litert_int8(network, images)
    else:
        content = {"keras": convert.to_keras, "litert": convert.to_litert, "onnx": convert.to_onnx}[
            kind
        ](network)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / f"network{runtimes.SUFFIXES[kind]}"
        trial.write_bytes(content)
        given = runtimes.open_exported(trial).predict(np.ascontiguousarray(data.test.images))
        difference = _verify(given, expected, kind, int8)
        metadata = _metadata(finished, data, kind, int8)
        metadata |= {name: value for name, value in facts.items() if value}
        metadata["weights_sha256"] = hash_weights(weights)
        metadata["test_accuracy"] = round(accuracy(given, data.test.labels), 6)
        metadata["keras_test_accuracy"] = round(accuracy(expected, data.test.labels), 6)
        metadata["largest_difference"] = float(f"{difference:.3g}")
        content = convert.with_metadata(content, kind, metadata)
        trial.write_bytes(content)
        _verify_final(trial, metadata, data.test.images[:_FINAL_IMAGES], given[:_FINAL_IMAGES])
    sidecar = out.with_name(out.name + ".json")
    write_atomically(out, content)
    write_atomically(sidecar, json.dumps({**metadata, "bytes": len(content)}, indent=1) + "\n")
    lost = metadata["keras_test_accuracy"] - metadata["test_accuracy"]
    return Exported(out, sidecar, metadata, lost, given)


def _network(finished: Finished, data: Dataset, weights: Weights) -> keras.Model:
    """The network as it is trained."""
    network = build(finished.architecture((data.height, data.width)))
    set_weights(network, weights)
    return network


def _predictions(network: keras.Model, data: Dataset) -> np.ndarray:
    probabilities: np.ndarray = network.predict(data.test.images, batch_size=64, verbose=0)
    return probabilities


def _check_recorded(finished: Finished, expected: np.ndarray) -> None:
    """Compare predictions with those that the study has recorded, if it has any."""
    name = finished.run.name
    if not has_predictions(finished.study_dir, name):
        return
    recorded = read_predictions(finished.study_dir, name)
    if recorded.shape != expected.shape or not np.allclose(
        recorded, expected, rtol=0, atol=_RECORDED_TOLERANCE
    ):
        raise TransferError(
            f"Expected the weights of {name} to give its recorded predictions in "
            f"{finished.study_dir}. They do not. {to_repeat(finished.study_dir, name)}"
        )


def chosen_images(data: Dataset, count: int) -> np.ndarray:
    """Training images drawn from a fixed seed, uint8 (count, height, width, 3)."""
    if not 1 <= count <= len(data.train.images):
        raise TransferError(
            f"Expected 1 to {len(data.train.images)} training images to use. Received: {count}."
        )
    chosen = np.random.default_rng(_CHOICE_SEED).choice(len(data.train.images), count, False)
    return np.array(data.train.images[np.sort(chosen)])


def _verify(given: np.ndarray, expected: np.ndarray, kind: str, int8: bool) -> float:
    """Largest difference of a probability; of a float file it must be within the tolerance."""
    if given.shape != expected.shape or not np.isfinite(given).all():
        raise TransferError(
            f"The {kind} file was written, but its runtime gives no probabilities. "
            "Nothing was put in place."
        )
    difference = float(np.abs(given - expected).max())
    if not int8 and difference > TOLERANCE:
        raise TransferError(
            f"The {kind} file gives other probabilities than the network, by up to "
            f"{difference:.2g} (allowed: {TOLERANCE:g}). Nothing was put in place."
        )
    return difference


def _verify_final(
    path: Path, metadata: dict[str, Any], images: np.ndarray, expected: np.ndarray
) -> None:
    """Verify the file once more, now that it holds metadata."""
    opened = runtimes.open_exported(path)
    if opened.metadata != metadata or not np.array_equal(
        opened.predict(np.ascontiguousarray(images)), expected
    ):
        raise TransferError("The metadata did not survive in the file. Nothing was put in place.")


def _metadata(finished: Finished, data: Dataset, kind: str, int8: bool) -> dict[str, Any]:
    return {
        "run": finished.run.name,
        "format": f"{kind}{'-int8' if int8 else ''}",
        "classes": list(finished.settings.classes),
        "image_size": [data.height, data.width],
        "input": f"uint8 (N, {data.height}, {data.width}, 3), RGB, 0..255",
        "output": f"probabilities (N, {len(finished.settings.classes)})"
        + (", uint8: times 1/256" if int8 else ", float32"),
        "input_size": list(finished.settings.input_size),
        "backbone": finished.settings.backbone,
        "alpha": finished.settings.alpha,
        "dataset": data.name,
        "test_images": len(data.test.labels),
        "versions": versions_of(_LIBRARIES),
    }
