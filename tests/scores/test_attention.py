"""Grad-CAM against CAM in closed form, finite differences and a network made by hand."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import HEAD, Architecture
from transfer.networks.network import build, part_of, random_weights
from transfer.networks.transplant import get_weights, set_weights
from transfer.scores.attention import filter_similarity, grad_cam, stem_filters

STEMS = {"mobilenet": "conv1/kernel", "mobilenet_v2": "Conv1/kernel"}


@pytest.fixture(scope="module", params=STEMS)
def network(request):
    """Random weights, and BatchNorm that moves features away from the corners of ReLU6."""
    architecture = Architecture(n=4, image_size=(45, 80), classes=5, backbone=request.param)
    model = build(architecture)
    weights = random_weights(architecture, 4)
    rng = np.random.default_rng(4)
    for name, value in weights.items():
        if name.endswith("beta"):
            weights[name] = rng.uniform(0.5, 2, value.shape).astype(np.float32)
        elif name.endswith("gamma"):
            weights[name] = rng.uniform(1.0, 1.6, value.shape).astype(np.float32)
    set_weights(model, weights)
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).integers(0, 256, (3, 45, 80, 3), dtype=np.uint8)


def test_after_the_last_block_it_is_cam(network, images):
    """Zhou et al. 2016: the sum of channels weighted by the head, divided by the positions."""
    features = part_of(network, None, 4)(images, training=False).numpy()
    kernel = get_weights(network)[f"{HEAD}/kernel"]
    positions = features.shape[1] * features.shape[2]
    for label in range(5):
        cam = np.maximum(features @ kernel[:, label], 0) / positions
        found = grad_cam(network, images, 4, np.full(3, label))
        np.testing.assert_allclose(found, cam, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("block", [0, 2])
def test_the_weights_are_slopes_of_the_score(network, images, block):
    """alpha_k: how the score changes if channel k rises everywhere, divided by the positions."""
    features = part_of(network, None, block)(images, training=False).numpy()
    above = part_of(network, block, None)
    step, channels = 5e-3, features.shape[-1]
    alpha = np.empty((3, channels, 5))
    for channel in range(channels):
        moved = np.zeros(channels, np.float32)
        moved[channel] = step
        high, low = (above(features + sign * moved, training=False).numpy() for sign in (1, -1))
        alpha[:, channel] = (high - low) / (2 * step)
    alpha /= features.shape[1] * features.shape[2]
    expected = np.maximum(np.einsum("nhwk,nkc->cnhw", features, alpha), 0)
    found = [grad_cam(network, images, block, np.full(3, label)) for label in range(5)]
    assert (expected.max((1, 2, 3)) > 0).sum() >= 2
    np.testing.assert_allclose(found, expected, atol=0.03 * expected.max())


def test_a_network_that_looks_for_brightness_points_at_it():
    """By hand: the stem's first filter adds up what it sees, and the head counts it for class 1."""
    architecture = Architecture(n=1, image_size=(48, 80), classes=2)
    model = build(architecture)
    weights = {name: np.zeros_like(value) for name, value in get_weights(model).items()}
    for name in weights:
        if name.endswith(("gamma", "moving_variance")):
            weights[name][:] = 1
    weights["conv1/kernel"][..., 0] = 1 / 27
    weights["conv_dw_1/kernel"][1, 1, 0, 0] = 1
    weights["conv_pw_1/kernel"][0, 0, 0, 0] = 1
    weights[f"{HEAD}/kernel"][0] = -1, 1
    set_weights(model, weights)
    image = np.zeros((1, 48, 80, 3), np.uint8)
    image[0, 10:20, 50:70] = 255
    for block in (0, 1):
        (found,) = grad_cam(model, image, block, np.array([1]))
        rows, columns = np.nonzero(found > 0.5 * found.max())
        assert 5 <= rows.min() <= rows.max() < 10
        assert 25 <= columns.min() <= columns.max() < 35
        assert grad_cam(model, image, block, np.array([0])).max() == 0  # nothing speaks for it


def test_without_a_class_the_networks_own_is_explained(network, images):
    said = network(images, training=False).numpy().argmax(1)
    np.testing.assert_array_equal(grad_cam(network, images, 3), grad_cam(network, images, 3, said))


def test_batches_do_not_change_a_map(network, images):
    many = np.concatenate([images] * 30)
    found = grad_cam(network, many, 2, np.arange(90) % 5)
    np.testing.assert_allclose(found[75], grad_cam(network, images, 2, np.zeros(3, int))[0], 1e-4)


@pytest.mark.parametrize("block", [-1, 5, 14])
def test_a_block_the_network_lacks_is_refused(network, images, block):
    with pytest.raises(TransferError, match="a block of the network"):
        grad_cam(network, images, block)


@pytest.mark.parametrize("classes", [[0, 1, 5], [0, 1], [-1, 0, 0]])
def test_a_class_the_network_lacks_is_refused(network, images, classes):
    with pytest.raises(TransferError, match="a class of 0..4 for each of 3"):
        grad_cam(network, images, 2, np.array(classes))


def test_filters_keep_their_shape_and_order(network):
    kernel = get_weights(network)[STEMS[network.name]]
    filters = stem_filters(get_weights(network))
    assert filters.shape == (kernel.shape[-1], 3, 3, 3)
    np.testing.assert_allclose(np.abs(filters).max((1, 2, 3)), 1)
    scale = kernel[2, 0, 1, 5] / filters[5, 2, 0, 1]
    np.testing.assert_allclose(filters[5] * scale, kernel[..., 5], rtol=1e-5)
    assert stem_filters({"conv1/kernel": np.zeros_like(kernel)}).max() == 0


def test_similarity_is_the_cosine_of_filters(network):
    kernel = get_weights(network)[STEMS[network.name]]
    mirrored = kernel[..., ::-1] * -3
    found = filter_similarity({"conv1/kernel": kernel}, {"conv1/kernel": mirrored})
    np.testing.assert_allclose(np.diag(found[:, ::-1]), -1, rtol=1e-6)
    a, b = kernel[..., 1].ravel(), mirrored[..., 4].ravel()
    np.testing.assert_allclose(found[1, 4], a @ b / np.linalg.norm(a) / np.linalg.norm(b), 1e-5)
