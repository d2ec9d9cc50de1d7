"""Eight backbones: outputs of keras.applications, cuts that no edge jumps over, published costs."""

import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from transfer.errors import TransferError
from transfer.networks.architecture import (
    cuts_table,
    feature_shape,
    layers_of_block,
    multiply_adds,
    parameters,
    weight_shapes,
)
from transfer.networks.backbone import (
    BACKBONES,
    Architecture,
    backbone_in,
    check_run,
    cuts_of,
)
from transfer.networks.network import build, part_of, random_weights, skeleton, variables
from transfer.networks.transplant import freeze, frozen_layers, set_weights
from transfer.networks.weights import read_weights, write_weights
from transfer.runs import parse_run
from transfer.training.reestimate import reestimate

ROOT = Path(__file__).parents[2]
CUTS = pd.read_csv(ROOT / "benchmarks/results/cuts.csv")
SIZES = (48, 80), (45, 67)
#: In millions, and how near. Howard et al. 2017; Sandler et al. 2018; Howard et al. 2019 (with
#: their larger heads); Tan and Le 2019, 2021; He et al. 2016 by the count of torchvision; Liu et
#: al. 2022.
PUBLISHED_MULTIPLY_ADDS = {
    "mobilenet": (569, 0.01),
    "mobilenet_v2": (300, 0.01),
    "mobilenet_v3_small": (56, 0.05),
    "mobilenet_v3_large": (219, 0.03),
    "efficientnet_b0": (390, 0.02),
    "efficientnet_v2_b0": (720, 0.03),
    "resnet50": (4090, 0.06),
    "convnext_tiny": (4470, 0.01),
}
#: Table of models of keras.io/api/applications, in full by count_params with 1000 classes; without
#: the statistics that EfficientNetB0 preprocesses by.
PUBLISHED_PARAMETERS = {
    "mobilenet": 4_253_864,
    "mobilenet_v2": 3_538_984,
    "efficientnet_b0": 5_330_571 - 7,
    "efficientnet_v2_b0": 7_200_312,
    "resnet50": 25_636_712,
    "convnext_tiny": 28_589_128,
}
#: The preprocessing that each network of keras.applications was trained with.
MODES = {name: backbone.preprocessing for name, backbone in BACKBONES.items()}


def architecture(name, size=(48, 80), **more):
    return Architecture(
        alpha=BACKBONES[name].alpha or 1.0,
        input_size=size,
        image_size=size,
        backbone=name,
        **more,
    )


def theirs(name, size, **more):
    """The network of keras.applications without top, on preprocessed images."""
    backbone = BACKBONES[name]
    if backbone.alpha:
        more["alpha"] = backbone.alpha
    if name.startswith(("mobilenet_v3", "efficientnet_v2", "convnext")):
        more["include_preprocessing"] = False
    make = getattr(keras.applications, backbone.function)
    model = make(input_shape=(*size, 3), include_top=False, weights=None, **more)
    if name == "efficientnet_b0":  # its preprocessing cannot be left out when it is made
        model = keras.Model(model.get_layer("stem_conv_pad").input, model.output)
    return model


def with_random_weights(model):
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers(include_self=False):
        if (
            isinstance(layer, keras.layers.BatchNormalization | keras.layers.LayerNormalization)
            or type(layer).__name__ == "LayerScale"
        ):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.weights])
    return model


@pytest.mark.parametrize("name", BACKBONES)
def test_outputs_are_those_of_keras_and_of_the_parts_between_cuts(name, tmp_path):
    """At two sizes. Weights go from their model into ours through a file, by name or by order."""
    keras.utils.set_random_seed(0)
    reference = with_random_weights(theirs(name, SIZES[0]))
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        save_weights_to_hdf5_group(file, reference)
    weights = read_weights(tmp_path / "theirs.h5", architecture(name, SIZES[0]))
    for size in SIZES:
        if size != SIZES[0]:
            values = reference.get_weights()
            reference = theirs(name, size)
            reference.set_weights(values)
        ours = build(architecture(name, size))
        set_weights(ours, weights)
        images = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        given = keras.applications.imagenet_utils.preprocess_input(
            images.astype("float32"), mode=MODES[name]
        )
        expected = reference(given, training=False).numpy()
        blocks, x = BACKBONES[name].blocks, images
        for after, until in ((None, 0), (0, 1), (1, blocks - 1), (blocks - 1, blocks)):
            x = part_of(ours, after, until)(x, training=False)
        np.testing.assert_allclose(x, expected, rtol=1e-3, atol=2e-4 * np.abs(expected).max())
    logits = part_of(ours, blocks, None)(x, training=False)
    by_hand = keras.Model(ours.input, ours.get_layer("predictions").output)
    np.testing.assert_allclose(logits, by_hand(images, training=False), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_committed_table_of_cuts(name):
    """One block for each name that Keras gives, at 224x224 and full width."""
    committed = CUTS[CUTS["backbone"] == name].reset_index(drop=True)
    table = cuts_table(name, 1.0, (224, 224))
    pd.testing.assert_frame_equal(table, committed, check_dtype=False)
    assert table["n"].tolist() == list(range(BACKBONES[name].blocks + 1))
    assert table["multiply_adds_up_to"].iloc[-1] == 1
    whole = Architecture(None, 1.0, (224, 224), (224, 224), 1000, name)
    assert (224 // table["stride"]).tolist() == [feature_shape(whole, n)[0] for n in table["n"]]
    millions, tolerance = PUBLISHED_MULTIPLY_ADDS[name]
    assert multiply_adds(whole) / 1e6 == pytest.approx(millions, rel=tolerance)
    if name in PUBLISHED_PARAMETERS:
        assert parameters(whole) == PUBLISHED_PARAMETERS[name]
    else:
        own = getattr(keras.applications, BACKBONES[name].function)(
            input_shape=(224, 224, 3), include_top=False, weights=None
        )
        assert table["parameters"].sum() == own.count_params()


@pytest.mark.parametrize("name", ["mobilenet", "mobilenet_v3_small", "convnext_tiny"])
def test_names_do_not_depend_on_what_was_built_before(name):
    skeleton.cache_clear()
    before = list(weight_shapes(architecture(name)))
    keras.layers.ReLU(), keras.layers.LayerNormalization(), keras.layers.Add()
    skeleton.cache_clear()
    assert list(weight_shapes(architecture(name, (48, 64)))) == before
    assert before == list(variables(build(architecture(name))))
    assert not any(re.search(r"/variable", name) for name in before)


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "convnext_tiny"])
def test_keras_reads_what_is_written(name, tmp_path):
    shape = architecture(name, n=3)
    weights = random_weights(shape, 0)
    write_weights(tmp_path / "own.weights.h5", weights, shape)
    model = build(shape)
    model.load_weights(tmp_path / "own.weights.h5")
    for key, variable in variables(model).items():
        np.testing.assert_array_equal(variable, weights[key], err_msg=key)


def test_a_sliced_network_ends_at_its_cut():
    shape = architecture("mobilenet_v2", n=2)
    last = cuts_of(build(shape))[-1]
    assert (last.n, last.layer) == (2, "block_1_project_BN")
    assert build(shape).get_layer("global_average_pooling").output.shape[-1] == last.channels


def test_stochastic_depth_is_off_in_frozen_blocks():
    shape = architecture("efficientnet_b0")
    frozen = frozen_layers(parse_run("A16B_s0"), shape)
    assert "block2b_drop" in frozen
    model = build(shape)
    set_weights(model, random_weights(shape, 0))
    images = np.random.default_rng(1).integers(0, 256, (4, 48, 80, 3), dtype=np.uint8)
    prefix = part_of(model, None, 16)
    assert not np.array_equal(prefix(images, training=True), prefix(images, training=False))
    freeze(model, frozen, "inference")
    np.testing.assert_array_equal(prefix(images, training=True), prefix(images, training=False))


def test_reestimation_walks_branches():
    """Of a network with shortcuts, as one batch in training with a memory of one batch."""
    shape = architecture("mobilenet_v2", n=4)
    weights = random_weights(shape, 0)
    images = np.random.default_rng(1).integers(0, 256, (70, 48, 80, 3), dtype=np.uint8)
    found = reestimate(shape, weights, images)
    model = build(shape, bn_momentum=0.0)
    set_weights(model, weights)
    model(images, training=True)
    for key, variable in variables(model).items():
        np.testing.assert_allclose(found[key], variable, rtol=1e-3, atol=1e-4, err_msg=key)


def test_what_a_backbone_does_not_have_is_refused_in_one_sentence():
    with pytest.raises(TransferError, match=r"mobilenet_v2 has 17 blocks\. Received: A18B_s0"):
        check_run(parse_run("A18B_s0"), "mobilenet_v2")
    check_run(parse_run("A17B_s0"), "mobilenet_v2")
    for bn in ("legacy", "adapt"):
        with pytest.raises(TransferError, match=f"convnext_tiny has no BatchNorm, so {bn} has no"):
            check_run(parse_run(f"A3B_{bn}_s0"), "convnext_tiny")
    with pytest.raises(TransferError, match="resnet50 has one width"):
        Architecture(alpha=0.5, backbone="resnet50")
    with pytest.raises(TransferError, match="Expected a backbone of mobilenet, mobilenet_v2"):
        Architecture(backbone="vgg16")
    with pytest.raises(TransferError, match="Expected a block of 0..17. Received: 18"):
        layers_of_block(architecture("mobilenet_v2"), 18)


def test_rows_say_their_backbone_and_old_rows_do_not():
    assert backbone_in(pd.DataFrame({"backbone": ["mobilenet_v2"] * 2})).blocks == 17
    assert backbone_in(pd.DataFrame({"backbone": pd.Series([None], dtype="string")})).blocks == 13


def test_a_file_of_another_backbone_is_named_as_what_it_is(tmp_path):
    other = architecture("mobilenet_v2")
    with h5py.File(tmp_path / "v2.h5", "w") as file:
        save_weights_to_hdf5_group(file, theirs("mobilenet_v2", (64, 64)))
    with pytest.raises(TransferError, match="is of mobilenet_v2; give --backbone mobilenet_v2"):
        read_weights(tmp_path / "v2.h5", Architecture())
    with pytest.raises(TransferError, match="but of another width; give its --alpha"):
        read_weights(tmp_path / "v2.h5", Architecture(alpha=1.0, backbone="mobilenet_v2"))
    read_weights(tmp_path / "v2.h5", other)


@pytest.mark.parametrize(
    ("file", "name", "alpha"),
    [
        ("mobilenet_v1_0.25_224_imagenet.h5", "mobilenet", 0.25),
        ("mobilenet_v1_1.0_224_imagenet.h5", "mobilenet", 1.0),
        ("mobilenet_v2_0.35_224_imagenet_notop.h5", "mobilenet_v2", 0.35),
    ],
)
def test_imagenet_files_are_read(file, name, alpha):
    path = ROOT / "../shared/weights" / file
    if not path.exists():
        pytest.skip("needs ../shared/weights")
    shape = Architecture(alpha=alpha, backbone=name)
    weights = read_weights(path, shape)
    assert {key: value.shape for key, value in weights.items()} == weight_shapes(shape, head=False)
