"""What a network costs: the figures that can be computed, and a table that keeps its rows."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from transfer.deploy.costs.measure import file_sizes, measure, weight_bytes
from transfer.deploy.costs.stopwatch import time_file
from transfer.deploy.costs.table import COLUMNS, read_exported
from transfer.deploy.export.convert import plain_layers
from transfer.errors import TransferError
from transfer.folding import write_row
from transfer.networks.architecture import Architecture, multiply_adds, parameters
from transfer.networks.network import build
from transfer.networks.weights import write_weights
from transfer.results import working
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


def test_a_keras_network_holds_what_keras_counts():
    architecture = Architecture(4)
    model = plain_layers(build(architecture))
    assert weight_bytes(architecture, "keras") == 4 * model.count_params()


def test_zeros_cost_less_once_compressed(tmp_path):
    noise = np.random.default_rng(0).bytes(100_000)
    (tmp_path / "noise").write_bytes(noise)
    (tmp_path / "half").write_bytes(noise[:50_000] + bytes(50_000))
    whole, half = (file_sizes(tmp_path / name) for name in ("noise", "half"))
    assert whole["file_bytes"] == half["file_bytes"] == 100_000
    assert half["gzip_bytes"] < 51_000 < whole["gzip_bytes"]


@pytest.mark.slow
def test_only_the_lowest_seed_of_a_network_is_timed(own_study, weights):
    second = RUN.replace("_s0", "_s1")
    row = json.loads(working(own_study, "rows", f"{RUN}.json").read_text())
    write_row(own_study, row | {"run": second, "seed": 1})
    write_weights(own_study / "models" / f"{second}.weights.h5", weights, Architecture(4))
    frame = measure(own_study, [second, RUN], ["keras"]).set_index("run")
    assert frame["median_ms_1"].notna().to_dict() == {second: False, RUN: True}
    assert frame["file_bytes"].notna().all()


@needs_litert
@pytest.mark.slow
@pytest.mark.parametrize(("name", "file"), [("litert", "net.tflite"), ("litert-int8", "q.tflite")])
def test_folded_weights_are_the_constants_of_the_file(exported, name, file):
    """Counted in the file: constants that are no scalars and belong to a layer."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported(file).path))
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    found = set()
    for operation in interpreter._get_ops_details():
        if operation["op_name"] in kinds:
            found.update(operation["inputs"][1:3])
    constants = [t for t in interpreter.get_tensor_details() if t["index"] in found]
    held = sum(np.prod(t["shape"]) * np.dtype(t["dtype"]).itemsize for t in constants)
    assert weight_bytes(Architecture(4), name) == held


@needs_onnx
@pytest.mark.slow
def test_onnx_weights_are_the_initializers_of_the_file(exported):
    import onnx

    arrays = [
        onnx.numpy_helper.to_array(initializer)
        for initializer in onnx.load(exported("net.onnx").path).graph.initializer
    ]
    held = sum(array.nbytes for array in arrays if array.dtype == np.float32 and array.size > 2)
    assert weight_bytes(Architecture(4), "onnx") == pytest.approx(held, rel=0.01)


@needs_litert
@needs_onnx
@pytest.mark.slow
def test_every_format_is_measured_and_rows_stay(own_study, small_data):
    with pytest.raises(TransferError):
        measure(own_study, [RUN], ["litert"], calls=199)
    measure(own_study, [RUN], ["litert"])
    frame = measure(own_study, [RUN], ["litert-int8", "onnx"])
    assert list(frame.columns) == list(COLUMNS)
    assert frame["format"].tolist() == ["litert", "litert-int8", "onnx"]
    again = measure(own_study, [RUN], ["litert"])
    assert sorted(again["format"]) == sorted(frame["format"])
    architecture = Architecture(4)
    assert set(frame["parameters"]) == {parameters(architecture)}
    assert set(frame["multiply_adds"]) == {multiply_adds(architecture)}
    assert (frame["p95_ms_1"] >= frame["median_ms_1"]).all()
    assert (frame["median_ms_1"] > 0).all()
    assert (frame["process_bytes"] > frame["network_bytes"]).all()
    assert (frame["weight_bytes"] < frame["file_bytes"]).all()
    assert frame["test_accuracy"].between(0, 1).all()
    int8 = read_exported(own_study, RUN, "litert-int8")
    hits = int8.argmax(1) == load_dataset(small_data).test.labels
    accuracy = frame.set_index("format").loc["litert-int8", "test_accuracy"]
    assert accuracy == pytest.approx(hits.mean(), abs=1e-6)


@needs_litert
@pytest.mark.slow
def test_the_stopwatch_measures_the_network_and_not_its_parent(exported):
    ballast = np.ones(200 << 20, np.uint8)
    timing = time_file(exported("net.tflite").path, threads=1)
    assert ballast.all()
    assert timing.peak_bytes is None or timing.peak_bytes < 200 << 20
    assert timing.threads == 1


def test_what_cannot_be_measured_is_said(own_study):
    with pytest.raises(TransferError, match="Received: tflite"):
        measure(own_study, [RUN], ["tflite"])
    with pytest.raises(TransferError, match="baseB_s0"):
        measure(own_study, ["baseB_s0"], ["keras"])
    assert not (own_study / "deploy.csv").exists()


@pytest.mark.slow
def test_a_file_the_runtime_refuses_is_one_sentence(tmp_path):
    (tmp_path / "net.keras").write_bytes(b"no network")
    with pytest.raises(TransferError, match="Cannot measure"):
        time_file(tmp_path / "net.keras", threads=1)
