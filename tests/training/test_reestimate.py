"""Re-estimated statistics are those of the activations, and nothing else changes."""

import keras
import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import get_weights, set_weights
from transfer.training.reestimate import reestimate

ARCHITECTURE = Architecture(n=3)


@pytest.fixture(scope="module")
def weights():
    """A network whose statistics are those of another task."""
    found = random_weights(ARCHITECTURE, 0)
    rng = np.random.default_rng(0)
    for name, value in found.items():
        if name.endswith(("moving_mean", "beta")):
            value += rng.normal(0, 0.5, value.shape).astype(np.float32)
        elif name.endswith(("moving_variance", "gamma")):
            value *= rng.uniform(0.5, 2.0, value.shape).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (70, 45, 80, 3), dtype=np.uint8)


def activations(weights, images, layer):
    """What enters a BatchNorm layer at inference, by Keras."""
    model = build(ARCHITECTURE)
    set_weights(model, weights)
    inputs = keras.Model(model.input, model.get_layer(layer).input)
    return inputs(images, training=False).numpy().astype(np.float64)


@pytest.mark.parametrize("layer", ["conv1_bn", "conv_dw_2_bn", "conv_pw_3_bn"])
def test_statistics_are_numpys_mean_and_variance_of_the_activations(weights, images, layer):
    """70 images are two batches, the second short: neither may show."""
    found = reestimate(ARCHITECTURE, weights, images)
    seen = activations(found, images, layer)
    mean, variance = seen.mean((0, 1, 2)), seen.var((0, 1, 2))
    np.testing.assert_allclose(found[f"{layer}/moving_mean"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[f"{layer}/moving_variance"], variance, rtol=1e-4)
    assert not np.allclose(weights[f"{layer}/moving_mean"], mean, atol=0.01)


def test_all_images_as_one_batch_in_training_give_the_same(weights, images):
    found = reestimate(ARCHITECTURE, weights, images)
    model = build(ARCHITECTURE, bn_momentum=0.0)  # it remembers the last batch alone
    set_weights(model, weights)
    model(images, training=True)
    for name, value in get_weights(model).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_only_statistics_change_and_only_of_the_layers_named(weights, images):
    names = ("conv1", "conv1_bn", "conv_dw_1_bn")
    found = reestimate(ARCHITECTURE, weights, images, names)
    changed = {name for name, value in found.items() if not np.array_equal(value, weights[name])}
    assert changed == {
        f"{layer}/{statistic}"
        for layer in ("conv1_bn", "conv_dw_1_bn")
        for statistic in ("moving_mean", "moving_variance")
    }
    everything = reestimate(ARCHITECTURE, weights, images)
    assert all(
        name.split("/")[1].startswith("moving_")
        for name, value in everything.items()
        if not np.array_equal(value, weights[name])
    )


def test_once_is_enough(weights, images):
    once = reestimate(ARCHITECTURE, weights, images)
    twice = reestimate(ARCHITECTURE, once, images)
    for name, value in once.items():
        np.testing.assert_allclose(twice[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 45, 80, 3), (4, 48, 80, 3)])
def test_images_that_do_not_fit_are_refused(weights, shape):
    with pytest.raises(TransferError, match="Expected images"):
        reestimate(ARCHITECTURE, weights, np.zeros(shape, np.uint8))
