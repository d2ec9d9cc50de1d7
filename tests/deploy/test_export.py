"""Export: plain layers, the network's own predictions, nothing written that was not verified."""

import json
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from transfer.cli import main
from transfer.deploy.export import write as exporting
from transfer.deploy.export.convert import plain_layers
from transfer.deploy.export.open import read_finished
from transfer.deploy.export.runtimes import open_exported
from transfer.deploy.export.write import TOLERANCE, export
from transfer.errors import TransferError
from transfer.folding import write_predictions
from transfer.networks.architecture import Architecture
from transfer.networks.backbone import BACKBONES
from transfer.networks.network import build, part_of, random_weights
from transfer.networks.transplant import set_weights
from transfer.program import how_to_install
from transfer.tasks.dataset import load_dataset

RUN = "sliced-4_s0"
needs_litert = pytest.mark.skipif(
    find_spec("ai_edge_litert") is None,
    reason="LiteRT is not installed: pip install -r requirements-export.txt",
)
needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None or find_spec("tf2onnx") is None,
    reason="ONNX is not installed: pip install -r requirements-export.txt",
)
FLOAT_FILES = [
    "net.keras",
    pytest.param("net.tflite", marks=[needs_litert, pytest.mark.slow]),
    pytest.param("net.onnx", marks=[needs_onnx, pytest.mark.slow]),
]


def trained_predictions(weights, images):
    """Of the network as it is trained."""
    model = build(Architecture(4))
    set_weights(model, weights)
    return model.predict(images, verbose=0)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(13),
        Architecture(5, input_size=(33, 47)),  # odd sides are padded explicitly
        Architecture(2, input_size=(45, 80)),  # no resizing
        Architecture(1, alpha=0.5, classes=7),
        Architecture(9, 0.35, backbone="mobilenet_v2"),
    ],
)
def test_the_network_for_inference_is_the_trained_network(architecture, lively_weights):
    weights = lively_weights(architecture)
    images = np.random.default_rng(1).integers(0, 256, (5, 45, 80, 3), dtype=np.uint8)
    trained = build(architecture)
    set_weights(trained, weights)
    expected = trained(images, training=False).numpy()
    for dtype in ("uint8", "float32"):
        found = plain_layers(trained, dtype)(images.astype(dtype)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-2  # images are told apart


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "mobilenet"])
def test_of_every_backbone_the_network_for_inference_is_the_trained_network(backbone):
    architecture = Architecture(3, BACKBONES[backbone].alpha or 1.0, backbone=backbone)
    trained = build(architecture)
    weights = random_weights(architecture, 5)
    set_weights(trained, weights)
    images = np.random.default_rng(1).integers(0, 256, (5, 45, 80, 3), dtype=np.uint8)
    images //= np.array([1, 2, 4, 8, 16], np.uint8).reshape(-1, 1, 1, 1)
    differ = np.ptp(part_of(trained, None, None)(images, training=False), axis=0).max()
    head = {"predictions/kernel": weights["predictions/kernel"] / differ}  # images told apart
    set_weights(trained, head)
    expected = trained(images, training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-2
    model = plain_layers(trained)
    np.testing.assert_allclose(model(images), expected, atol=1e-5)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)


def test_the_network_for_inference_has_only_keras_own_layers(weights):
    trained = build(Architecture(4))
    set_weights(trained, weights)
    model = plain_layers(trained)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)
    assert not model.trainable_variables


@pytest.mark.parametrize("name", FLOAT_FILES)
def test_a_float_file_gives_the_predictions_of_the_trained_network(
    exported, small_data, weights, name
):
    done = exported(name)
    images = np.array(load_dataset(small_data).test.images)
    found = open_exported(done.path).predict(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, trained_predictions(weights, images), atol=TOLERANCE)
    one_by_one = open_exported(done.path).predict(images[:1])
    np.testing.assert_allclose(one_by_one, found[:1], atol=1e-6)


@pytest.mark.parametrize("name", FLOAT_FILES)
def test_metadata_are_inside_the_file_and_beside_it(exported, small_data, weights, name):
    done = exported(name)
    inside = open_exported(done.path).metadata
    beside = json.loads(done.sidecar.read_text())
    assert beside.pop("bytes") == done.path.stat().st_size
    assert inside == beside
    assert inside["classes"] == ["forward", "left", "right"]
    assert inside["image_size"] == [45, 80]
    assert inside["run"] == RUN
    test = load_dataset(small_data).test
    hits = trained_predictions(weights, test.images).argmax(1) == test.labels
    assert inside["test_accuracy"] == pytest.approx(np.mean(hits), abs=1e-6)


@pytest.mark.slow
def test_a_keras_file_opens_where_this_package_is_not(exported):
    script = (
        "import keras, sys, numpy as np\n"
        "model = keras.saving.load_model('net.keras')\n"
        "assert 'transfer' not in sys.modules\n"
        "print(model(np.zeros((2, 45, 80, 3), 'uint8')).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=exported("net.keras").path.parent,
        capture_output=True,
        text=True,
    )
    assert "(2, 3)" in done.stdout, done.stderr


@needs_litert
@pytest.mark.slow
def test_an_int8_file_computes_with_integers_only(exported, small_data, weights):
    from ai_edge_litert.interpreter import Interpreter

    done = exported("q.tflite")
    interpreter = Interpreter(model_path=str(done.path))
    interpreter.allocate_tensors()
    assert {t["dtype"] for t in interpreter.get_tensor_details()} <= {np.int8, np.int32, np.uint8}
    (given,) = interpreter.get_input_details()
    assert given["dtype"] is np.uint8
    assert given["quantization"] == (1.0, 0)  # a camera's bytes go in as they are
    assert tuple(given["shape_signature"]) == (-1, 45, 80, 3)
    (result,) = interpreter.get_output_details()
    assert result["quantization"] == (1 / 256, 0)
    images = np.array(load_dataset(small_data).test.images)
    found = open_exported(done.path).predict(images)
    assert np.abs(found - trained_predictions(weights, images)).max() < 0.1
    assert done.path.stat().st_size < exported("net.tflite").path.stat().st_size


@needs_litert
@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(exported):
    assert exported("q.tflite").path.read_bytes() == exported("q2.tflite").path.read_bytes()


def test_a_file_that_fails_verification_is_not_put_in_place(study, tmp_path, weights, monkeypatch):
    out = tmp_path / "net.keras"
    out.write_text("the old file")
    wrong = build(Architecture(4))
    bias = weights["predictions/bias"] + np.float32([0, 0.01, 0])
    set_weights(wrong, {**weights, "predictions/bias": bias})
    honest = exporting.convert.to_keras
    monkeypatch.setattr(exporting.convert, "to_keras", lambda network: honest(wrong))
    with pytest.raises(TransferError, match="other probabilities"):
        export(study / RUN, out)
    assert out.read_text() == "the old file"
    assert not (tmp_path / "net.keras.json").exists()


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_fail_verification(poison):
    expected = np.full((4, 3), 1 / 3, np.float32)
    found = expected.copy()
    found[2, 1] = poison
    with pytest.raises(TransferError, match="no probabilities"):
        exporting._verify(found, expected, "litert", int8=True)


def test_weights_that_contradict_the_recorded_predictions_are_refused(own_study, tmp_path):
    recorded = np.tile(np.float32([1, 0, 0]), (48, 1))
    write_predictions(own_study, RUN, recorded)
    with pytest.raises(TransferError, match="recorded predictions"):
        export(own_study / RUN, tmp_path / "net.keras")


def test_another_data_set_than_the_studys_is_refused(study, tmp_path, small_data):
    other = tmp_path / "other"
    other.mkdir()
    for path in small_data.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    np.save(other / "test_labels.npy", np.load(small_data / "test_labels.npy")[::-1])
    with pytest.raises(TransferError, match="another"):
        export(study / RUN, tmp_path / "net.keras", data=other)
    with pytest.raises(TransferError, match="--data"):
        export(study / RUN, tmp_path / "net.keras", data=tmp_path / "nowhere")


def test_a_run_that_is_not_there_is_named(own_study):
    with pytest.raises(TransferError, match="baseB_s7"):
        read_finished(own_study / "baseB_s7")
    with pytest.raises(TransferError, match="name of a run"):
        read_finished(own_study / "network")
    (own_study / "models" / f"{RUN}.weights.h5").unlink()
    with pytest.raises(TransferError, match="under version control"):
        read_finished(own_study / RUN).weights()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "net.pb"],
        ["--out", "net.tflite", "--format", "onnx"],
        ["--out", "net.onnx", "--int8"],
        ["--out", "net.keras", "--format", "tflite"],
    ],
)
def test_requests_that_contradict_themselves_end_with_2(capsys, study, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(study / RUN), *arguments])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx"])
def test_a_missing_extra_is_one_sentence_with_the_cure(capsys, study, tmp_path, monkeypatch, name):
    for package in ("ai_edge_litert", "ai_edge_litert.interpreter", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(study / RUN), "--out", str(tmp_path / name)])
    assert stopped.value.code == 1
    assert how_to_install("export") in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_damaged_file_is_one_sentence(tmp_path):
    (tmp_path / "net.keras").write_bytes(b"not a network")
    with pytest.raises(TransferError, match="Expected a network"):
        open_exported(tmp_path / "net.keras")
