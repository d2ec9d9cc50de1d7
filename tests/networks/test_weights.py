"""Weight files: every layout of Keras is read, everything else is refused in one sentence."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture, weight_shapes
from transfer.networks.network import build
from transfer.networks.transplant import get_weights
from transfer.networks.weights import read_weights, write_weights

SHARED = Path(__file__).parents[2] / "../shared/weights"
IMAGENET = SHARED / "mobilenet_v1_0.25_224_imagenet.h5"
needs_imagenet = pytest.mark.skipif(not IMAGENET.exists(), reason="needs ../shared/weights")


@pytest.fixture
def written(tmp_path):
    architecture = Architecture(n=3)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=shape).astype("float32")
        for name, shape in weight_shapes(architecture).items()
    }
    path = tmp_path / "net.weights.h5"
    write_weights(path, weights, architecture)
    return path, weights, architecture


def test_what_is_written_is_read_back(written):
    path, weights, architecture = written
    read = read_weights(path, architecture, head=True)
    assert list(read) == list(weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(read[name], value)


def test_keras_reads_what_is_written(written):
    path, weights, architecture = written
    model = build(architecture)
    model.load_weights(path)
    for name, value in get_weights(model).items():
        np.testing.assert_array_equal(value, weights[name])


def test_the_bytes_are_a_function_of_the_weights(written, tmp_path):
    path, weights, architecture = written
    write_weights(tmp_path / "again.h5", weights, architecture)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_what_keras_saves_is_read(tmp_path, top, size):
    if top and size[0] != size[1]:
        pytest.skip("Keras has a top for square inputs only")
    theirs = keras.applications.MobileNet((*size, 3), 0.5, include_top=top, weights=None)
    theirs.save_weights(tmp_path / "keras.weights.h5")
    read = read_weights(tmp_path / "keras.weights.h5", Architecture(alpha=0.5))
    for layer in theirs.layers:
        for weight in layer.weights if layer.name != "conv_preds" else []:
            np.testing.assert_array_equal(read[f"{layer.name}/{weight.name}"], weight)


@needs_imagenet
def test_imagenet_weights_are_those_keras_reads():
    architecture = Architecture()
    weights = read_weights(IMAGENET, architecture)
    with h5py.File(IMAGENET) as file:
        kernel = file["model_weights/conv_dw_7/conv_dw_7/depthwise_kernel:0"][()]
    np.testing.assert_array_equal(weights["conv_dw_7/kernel"], kernel)
    assert {name: value.shape for name, value in weights.items()} == weight_shapes(
        architecture, head=False
    )


@needs_imagenet
def test_another_alpha_is_refused_with_the_right_one():
    with pytest.raises(TransferError, match=r"alpha 0\.25"):
        read_weights(IMAGENET, Architecture(alpha=0.5))


@needs_imagenet
@pytest.mark.parametrize("kept", [0, 100, 100_000, 2_000_000])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = tmp_path / "short.h5"
    path.write_bytes(IMAGENET.read_bytes()[:kept])
    with pytest.raises(TransferError, match=r"short\.h5"):
        read_weights(path, Architecture())


def test_a_missing_weight_is_named(written):
    path, _, _ = written
    with pytest.raises(TransferError, match="conv_dw_4/kernel is missing"):
        read_weights(path, Architecture(n=4))


def test_weights_that_are_not_finite_are_refused(written):
    path, _, architecture = written
    with h5py.File(path, "r+") as file:
        file["layers/conv2d/vars/0"][0, 0, 0, 0] = np.nan
    with pytest.raises(TransferError, match="finite"):
        read_weights(path, architecture)


def test_links_out_of_the_file_are_not_followed(written, tmp_path):
    path, _, architecture = written
    path.rename(tmp_path / "elsewhere.h5")
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), "/layers")
    with pytest.raises(TransferError, match="missing"):
        read_weights(path, architecture)


def test_external_storage_is_not_read(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(3 * 3 * 3 * 8 * 4))
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset(
            "conv1/kernel:0", (3, 3, 3, 8), "float32", external=[(str(secret), 0, 864)]
        )
    with pytest.raises(TransferError, match="another file"):
        read_weights(tmp_path / "net.h5", Architecture())


def test_a_huge_declared_array_is_refused_unread(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("conv1/kernel:0", (1 << 20, 1 << 20), "float32", chunks=(1024, 1024))
    with pytest.raises(TransferError, match="Expected conv1/kernel of shape"):
        read_weights(tmp_path / "bomb.h5", Architecture())
