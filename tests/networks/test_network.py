"""The network against keras.applications.MobileNet and the published counts."""

import keras
import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import (
    Architecture,
    layers_of_block,
    multiply_adds,
    parameters,
    weight_shapes,
)
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import get_weights, set_weights


def keras_weights(model):
    return {
        f"{layer.name}/{weight.name}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
    }


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.75, 1.0])
def test_names_and_shapes_are_those_of_keras(alpha):
    theirs = keras.applications.MobileNet((64, 96, 3), alpha, include_top=False, weights=None)
    shapes = {name: value.shape for name, value in keras_weights(theirs).items()}
    assert weight_shapes(Architecture(alpha=alpha), head=False) == shapes


@pytest.mark.parametrize(("alpha", "size"), [(0.25, (48, 80)), (0.25, (45, 83)), (1.0, (64, 64))])
def test_outputs_are_those_of_keras(alpha, size):
    keras.utils.set_random_seed(1)
    theirs = keras.applications.MobileNet((*size, 3), alpha, include_top=False, weights=None)
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, channels) for _ in range(4)])
    ours = build(Architecture(alpha=alpha, input_size=size, image_size=size))
    set_weights(ours, keras_weights(theirs))
    images = rng.integers(0, 256, (4, *size, 3), dtype=np.uint8)
    features = keras.Model(ours.input, ours.get_layer("conv_pw_13_relu").output)
    expected = theirs(keras.applications.mobilenet.preprocess_input(images.astype("float32")))
    np.testing.assert_allclose(features(images), expected, atol=2e-5)


def test_resizing_inside_the_network_is_bilinear():
    model = build(Architecture())
    images = np.random.default_rng(0).integers(0, 256, (2, 45, 80, 3), dtype=np.uint8)
    resized = keras.Model(model.input, model.get_layer("rescale").output)(images)
    expected = keras.ops.image.resize(images.astype("float32"), (48, 80)) / 127.5 - 1
    np.testing.assert_allclose(resized, expected, atol=1e-5)


@pytest.mark.parametrize("n", [1, 6, 13])
def test_parameters_are_what_keras_counts(n):
    architecture = Architecture(n=n)
    model = build(architecture)
    assert parameters(architecture) == model.count_params()
    assert {k: v.shape for k, v in get_weights(model).items()} == weight_shapes(architecture)


def test_published_parameters():
    assert parameters(Architecture(alpha=1, input_size=(224, 224))) == 3_231_939
    assert parameters(Architecture(n=11, alpha=1, input_size=(224, 224))) == 1_629_379


@pytest.mark.parametrize(
    ("alpha", "side", "millions"),
    [
        (1.0, 224, 569),
        (0.75, 224, 325),
        (0.5, 224, 150),
        (0.25, 224, 41),
        (1.0, 192, 418),
        (1.0, 160, 291),
        (1.0, 128, 186),
    ],
)
def test_multiply_adds_of_howard_et_al(alpha, side, millions):
    architecture = Architecture(alpha=alpha, input_size=(side, side), classes=1000)
    assert multiply_adds(architecture) / 1e6 == pytest.approx(millions, abs=0.9)


def test_share_of_multiply_adds_up_to_each_block():
    def count(n):
        return multiply_adds(Architecture(n=n, alpha=1, input_size=(224, 224), classes=3))

    shares = [round(100 * count(n) / count(13), 1) for n in range(1, 14)]
    expected = [7.1, 11.9, 21.6, 26.3, 35.7, 40.3, 49.5, 58.7, 67.9, 77.1, 86.3, 90.9, 100]
    assert shares == expected


@pytest.mark.parametrize(
    "wrong",
    [{"n": 14}, {"n": 0}, {"alpha": 0}, {"alpha": 3}, {"input_size": (16, 80)}, {"classes": 1}],
)
def test_what_is_no_architecture_is_refused(wrong):
    with pytest.raises(TransferError, match="Expected"):
        Architecture(**wrong)


def test_there_is_no_block_14():
    with pytest.raises(TransferError, match="Received: 14"):
        layers_of_block(Architecture(), 14)


def test_a_random_start_has_the_spread_of_glorot_and_depends_on_the_seed():
    architecture = Architecture(alpha=1)
    weights = random_weights(architecture, 0)
    again = random_weights(architecture, 0)
    other = random_weights(architecture, 1)
    kernel = weights["conv_pw_13/kernel"]
    assert np.abs(kernel).max() == pytest.approx((6 / 2048) ** 0.5, rel=1e-3)
    assert kernel.std() == pytest.approx((2 / 2048) ** 0.5, rel=1e-2)
    assert (weights["conv1_bn/gamma"] == 1).all()
    assert (weights["conv1_bn/moving_mean"] == 0).all()
    for name in weights:
        np.testing.assert_array_equal(weights[name], again[name])
    assert not np.array_equal(kernel, other["conv_pw_13/kernel"])
