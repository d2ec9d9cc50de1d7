"""The source's classifier out of the files of every age of Keras, and out of none that lie."""

import h5py
import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.sources import find_source
from transfer.networks.weights import read_classifier, read_weights

QUARTER = Architecture()
KERNEL = np.random.default_rng(0).standard_normal((256, 10)).astype(np.float32)
BIAS = np.arange(10, dtype=np.float32)


def file_with(path, **arrays):
    with h5py.File(path, "w") as file:
        file["conv1/conv1/kernel:0"] = np.zeros((3, 3, 3, 8), np.float32)
        for name, array in arrays.items():
            file[name] = array
    return path


def test_the_shipped_classifier_is_that_of_the_whole_network():
    path = find_source("fractals", 0.25)[1]
    kernel, bias = read_classifier(path, QUARTER)
    whole = read_weights(path, Architecture(classes=64), head=True)
    assert np.array_equal(kernel, whole["predictions/kernel"])
    assert np.array_equal(bias, whole["predictions/bias"])


@pytest.mark.parametrize(
    ("folder", "kernel"),
    [
        ("model_weights/conv_preds/conv_preds", KERNEL[None, None]),
        ("predictions/predictions", KERNEL),
    ],
)
def test_older_files_have_a_dense_layer_or_a_convolution(tmp_path, folder, kernel):
    arrays = {f"{folder}/kernel:0": kernel, f"{folder}/bias:0": BIAS}
    found = read_classifier(file_with(tmp_path / "w.h5", **arrays), QUARTER)
    assert np.array_equal(found[0], KERNEL)
    assert np.array_equal(found[1], BIAS)


def test_a_file_without_top_has_none(tmp_path):
    assert read_classifier(file_with(tmp_path / "w.h5"), QUARTER) is None


def test_a_link_out_of_the_file_is_not_followed(tmp_path):
    path = file_with(tmp_path / "w.h5", **{"predictions/bias": BIAS})
    file_with(tmp_path / "other.h5", kernel=KERNEL)
    with h5py.File(path, "a") as file:
        file["predictions/kernel"] = h5py.ExternalLink("other.h5", "kernel")
    assert read_classifier(path, QUARTER) is None


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [
        (KERNEL[:128], BIAS),
        (KERNEL, np.full(10, np.nan, np.float32)),
        (KERNEL.astype(int), BIAS),
        (KERNEL, np.float32(1)),
    ],
    ids=["another alpha", "not finite", "integers", "a scalar"],
)
def test_what_is_no_classifier_of_this_network_is_refused(tmp_path, kernel, bias):
    arrays = {"predictions/kernel": kernel, "predictions/bias": bias}
    with pytest.raises(TransferError, match="Expected"):
        read_classifier(file_with(tmp_path / "w.h5", **arrays), QUARTER)


def test_a_declared_size_beyond_reason_is_refused_before_it_is_read(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("predictions/kernel", (256, 1 << 30), "f4", chunks=(1, 1024))
        file.create_dataset("predictions/bias", (1 << 30,), "f4", chunks=(1024,))
    with pytest.raises(TransferError, match="at most 22000 classes"):
        read_classifier(tmp_path / "w.h5", QUARTER)


@pytest.mark.parametrize("content", [None, b"", b"not hdf5"])
def test_a_missing_or_damaged_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "w.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TransferError, match="missing, truncated or damaged"):
        read_classifier(path, QUARTER)
