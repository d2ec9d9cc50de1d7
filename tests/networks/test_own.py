"""Networks cut from a model that a person brings, at layers that they name."""

import keras
import numpy as np
import pytest

import transfer
from transfer.errors import TransferError

CUTS = ["stem", "one_add", "two_relu", "three_relu"]


@pytest.fixture(scope="module")
def model():
    """A stem, a block with a shortcut, and two without; then a top that is left out."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    images = keras.Input((32, 40, 3))
    x = layers.Rescaling(1 / 255)(images)
    stem = layers.Conv2D(4, 3, 2, name="stem")(x)
    x = layers.Conv2D(4, 3, padding="same", name="one_conv")(stem)
    x = layers.BatchNormalization(name="one_bn")(x)
    x = layers.Add(name="one_add")([x, stem])
    for name in ("two", "three"):
        x = layers.Conv2D(8, 3, 2, padding="same", name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.Dense(9, name="theirs")(layers.Flatten()(x))
    return keras.Model(images, x, name="mine")


@pytest.fixture(scope="module")
def data(small_data):
    return transfer.load_data(small_data)


def part_of(network):
    return network.get_layer("mine")


def same(a, b, layer):
    return all(
        map(np.array_equal, a.get_layer(layer).get_weights(), b.get_layer(layer).get_weights())
    )


@pytest.mark.parametrize("cut", range(4))
def test_frozen_blocks_give_what_the_model_gives_up_to_the_cut(cut, model, data):
    network = part_of(transfer.network(f"A{cut}B", data, backbone=model, cuts=CUTS))
    by_hand = keras.Model(model.input, model.get_layer(CUTS[cut]).output)
    ours = keras.Model(network.input, network.get_layer(CUTS[cut]).output)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3)).astype("float32")
    np.testing.assert_array_equal(ours(images), by_hand(images))


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("A1B", {"two_conv", "two_bn", "three_conv", "three_bn"}),
        ("A1B_legacy", {"two_conv", "two_bn", "three_conv", "three_bn"}),
        ("A@1B", {"one_conv", "one_bn"}),
        ("A1B+", {"stem", "one_conv", "one_bn", "two_conv", "two_bn", "three_conv", "three_bn"}),
        ("sliced-1", {"stem", "one_conv", "one_bn"}),
    ],
)
def test_fit_moves_what_is_not_frozen(name, trained, model, data):
    network = transfer.network(name, data, backbone=model, cuts=CUTS)
    part = part_of(network)
    before = {layer.name: layer.get_weights() for layer in part.layers if layer.weights}
    head = network.get_layer("predictions").get_weights()[0]
    network.compile("sgd", "sparse_categorical_crossentropy")
    network.fit(data.train.images, data.train.labels, verbose=0)
    moved = {
        layer
        for layer, weights in before.items()
        if not all(map(np.array_equal, weights, part.get_layer(layer).get_weights()))
    }
    assert moved == trained
    assert not np.array_equal(head, network.get_layer("predictions").get_weights()[0])
    assert network.output_shape == (None, 3)
    assert {layer.name for layer in part.layers}.isdisjoint({"theirs"})


def test_what_is_new_is_a_function_of_the_seed_and_base_b_has_a_stream_of_its_own(model, data):
    def parts(name, seed=0, **more):
        return part_of(transfer.network(name, data, seed=seed, backbone=model, cuts=CUTS, **more))

    a1b, again, other, fine = parts("A1B"), parts("A1B"), parts("A1B", seed=1), parts("A1B+")
    assert same(a1b, model, "one_conv")
    assert not same(a1b, model, "two_conv")
    assert same(a1b, again, "two_conv")
    assert same(a1b, fine, "two_conv")
    assert not same(a1b, other, "two_conv")
    base = transfer.network("baseB", data, backbone=model, cuts=CUTS)
    assert not same(a1b, part_of(base), "two_conv")
    b1b = parts("B1B", base=base)
    assert same(b1b, part_of(base), "one_conv")
    assert same(b1b, a1b, "two_conv")


@pytest.mark.parametrize(
    ("name", "cuts", "message"),
    [
        ("A1B", ["stem", "one_conv"], "A shortcut jumps over 'one_conv'"),
        ("A1B", ["stem", "four"], "'four'"),
        ("A1B", ["one_add", "stem"], "not after the cut before it: 'stem'"),
        ("A1B", ["stem"], "two cuts or more"),
        ("A4B", CUTS, "into 3 blocks. Received: A4B_s0"),
        ("B1B", CUTS, "copies from a trained baseB"),
        ("R1B", CUTS, "RnB is for the named backbones"),
    ],
)
def test_what_cannot_be_cut_is_said(name, cuts, message, model, data):
    with pytest.raises(TransferError, match=message):
        transfer.network(name, data, backbone=model, cuts=cuts)


def test_a_model_without_a_graph_is_refused(data):
    with pytest.raises(TransferError, match="Expected a functional keras.Model"):
        transfer.network("A1B", data, backbone=keras.Model(), cuts=CUTS)
    images = keras.Input((32, 40, 3))
    nested = keras.Sequential([keras.layers.Conv2D(4, 3)])
    outer = keras.Model(images, keras.layers.ReLU(name="end")(nested(images)))
    with pytest.raises(TransferError, match="It holds a model"):
        transfer.network("A1B", data, backbone=outer, cuts=[nested.name, "end"])
