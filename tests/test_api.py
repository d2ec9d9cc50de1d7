"""The public API: what ``import transfer`` offers to a person who writes Python."""

import doctest
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import transfer
from transfer import api
from transfer.errors import TransferError
from transfer.figures.style import KINDS
from transfer.networks.architecture import Architecture
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import get_weights, set_weights
from transfer.networks.weights import write_weights

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path, monkeypatch, small_data):
    """A current folder with a data set ``data/mytub`` and the committed studies."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mytub").symlink_to(small_data)
    (tmp_path / "experiments-results").symlink_to(REPOSITORY / "experiments-results")
    monkeypatch.chdir(tmp_path)


def in_a_new_process(code, cwd):
    """What it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd
    ).stdout.strip()


def test_importing_the_package_lists_the_functions_and_imports_no_tensorflow():
    code = (
        "import sys, transfer; print(set(transfer.__all__) <= set(dir(transfer)));"
        "transfer.load_data, transfer.plot; print('tensorflow' in sys.modules)"
    )
    assert in_a_new_process(code, REPOSITORY).split() == ["True", "False"]


@pytest.mark.parametrize("name", transfer.__all__)
def test_the_example_of_a_docstring_is_true(name, checkout):
    examples = doctest.DocTestFinder().find(getattr(api, name), name, globs={"transfer": transfer})
    runner = doctest.DocTestRunner()
    assert any(test.examples for test in examples)
    for test in examples:
        assert runner.run(test).failed == 0


def test_calling_a_network_is_not_training_it(small_data):
    data = transfer.load_data(small_data)
    model = transfer.network("baseB", data)
    before = get_weights(model)
    images = np.array(data.test.images)
    np.testing.assert_allclose(model(images), model.predict(images, verbose=0), atol=1e-5)
    assert all(np.array_equal(before[key], value) for key, value in get_weights(model).items())


@pytest.mark.parametrize("name", ["A5B", "A5B_legacy", "A@3B", "R2B"])
def test_fit_moves_what_is_not_frozen_and_nothing_else(name, small_data):
    data = transfer.load_data(small_data)
    model = transfer.network(name, data, seed=1)
    before = get_weights(model)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(data.train.images, data.train.labels, batch_size=32, verbose=0)
    after = get_weights(model)
    moved = {key.split("/")[0] for key in before if not np.array_equal(before[key], after[key])}
    blocks = {"A5B": range(6, 14), "A5B_legacy": range(6, 14), "A@3B": [3], "R2B": range(3, 14)}
    expected = {
        f"conv_{part}_{block}{bn}"
        for block in blocks[name]
        for part in ("dw", "pw")
        for bn in ("", "_bn")
    }
    assert moved == expected | {"predictions"}


def test_another_backbone_is_a_name_and_its_blocks_are_frozen(small_data, tmp_path):
    data = transfer.load_data(small_data)
    shape = Architecture(alpha=0.35, backbone="mobilenet_v2")
    base = random_weights(shape, 5)
    write_weights(tmp_path / "v2.weights.h5", base, shape)
    model = transfer.network(
        "A5B", data, source=str(tmp_path / "v2.weights.h5"), backbone="mobilenet_v2"
    )
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    assert (frozen[0], frozen[-1]) == ("Conv1", "block_4_project_BN")
    for key, value in get_weights(model).items():
        copied = key.split("/")[0] in frozen
        if key.endswith("kernel"):
            assert np.array_equal(value, base[key]) == copied, key
    with pytest.raises(TransferError, match=r"has 17 blocks\. Received: A18B_s0"):
        transfer.network("A18B", data, backbone="mobilenet_v2")


def test_a_network_is_of_keras_layers_and_answers_as_the_one_that_a_study_trains(small_data):
    data = transfer.load_data(small_data)
    model = transfer.network("A5B", data)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    fast = build(Architecture(image_size=(45, 80), classes=3))
    set_weights(fast, get_weights(model))
    images = np.array(data.test.images)
    np.testing.assert_allclose(model(images), fast(images), atol=1e-5)


def test_a_saved_network_opens_where_this_package_is_not(small_data, tmp_path):
    data = transfer.load_data(small_data)
    model = transfer.network("A3B", data)
    images = np.array(data.test.images[:8])
    np.save(tmp_path / "images.npy", images)
    model.save(tmp_path / "network.keras")
    in_a_new_process(
        "import sys; sys.modules['transfer'] = None\n"
        "import keras, numpy as np\n"
        "model = keras.models.load_model('network.keras')\n"
        "np.save('answers.npy', model(np.load('images.npy')))",
        tmp_path,
    )
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), model(images), atol=1e-6)


def test_bnb_copies_the_baseb_it_is_given_and_train_trains_it_first(small_data):
    data = transfer.load_data(small_data)
    base, *_ = transfer.train("baseB", data, epochs=1, batch=16)
    copied = get_weights(transfer.network("B2B", data, base=base))
    trained, history, row = transfer.train("B2B", data, epochs=1, batch=16)
    assert row["run"] == "B2B_s0"
    assert history.index.tolist() == [1]
    for key, value in get_weights(trained).items():
        if key.split("/")[0] in ("conv1", "conv_dw_2", "conv_pw_2_bn"):
            np.testing.assert_allclose(value, copied[key], atol=1e-5)


def test_train_returns_the_model_of_its_row(small_data):
    data = transfer.load_data(small_data)
    model, history, row = transfer.train("A2B", data, epochs=2, batch=16)
    hits = model.predict(data.test.images, verbose=0).argmax(1) == data.test.labels
    assert row["test_accuracy"] == pytest.approx(hits.mean())
    assert history["val_accuracy"].max() == pytest.approx(row["val_accuracy"])
    assert isinstance(model, keras.Model)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda data: transfer.network("A99B", data), "n=99"),
        (lambda data: transfer.network("A5B_s1", data), "without a seed"),
        (lambda data: transfer.network("nonsense", data), "nonsense"),
        (lambda data: transfer.network("B5B", data), "base="),
        (lambda data: transfer.network("A5B", data, source="nowhere.h5"), "nowhere.h5"),
        (lambda data: transfer.network("A5B", data, input=(8, 8)), "8"),
        (lambda data: transfer.train("A5B", data, epochs=0), "epochs"),
        (lambda data: transfer.load_data("nowhere"), "nowhere"),
        (lambda data: transfer.read_study("nowhere"), "nowhere"),
        (lambda data: transfer.verdict("nowhere"), "nowhere"),
        (lambda data: transfer.plot("nowhere"), "nowhere"),
        (lambda data: transfer.plot("nowhere", "pareto"), "nowhere"),
        (lambda data: transfer.plot(pd.DataFrame(), "pie"), "pie"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(call, said, small_data):
    with pytest.raises(TransferError) as error:
        call(small_data)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_plot_draws_the_kinds_asked_for_and_the_published(checkout):
    drawn = transfer.plot("experiments-results/published", kinds=["baseB", "AnB"])
    labels = drawn.axes[0].get_legend_handles_labels()[1]
    assert any(label.startswith("AnB") for label in labels)
    assert not any("BnB" in label or "sliced" in label for label in labels)


def test_plot_draws_the_fall_that_was_published_as_the_command_does(checkout):
    drawn = transfer.plot("experiments-results/donkey-bn", "negative_transfer")
    assert [axes.get_title() for axes in drawn.axes] == [KINDS["AnB"].label, KINDS["BnB"].label]
    with pytest.raises(TransferError, match="legacy"):
        transfer.plot("experiments-results/lanes-alpha-0.1", "negative_transfer")


@pytest.mark.slow
def test_study_does_what_is_missing_and_train_gives_the_same_weights(small_data, tmp_path):
    data = transfer.load_data(small_data)
    asked = {"kinds": ["baseB", "AnB"], "n": [4], "seeds": [0], "epochs": 1, "batch": 16}
    runs = transfer.study(tmp_path / "study", data, **asked)
    assert runs["run"].tolist() == ["baseB_s0", "A4B_s0"]
    again = transfer.study(tmp_path / "study", data, **asked)
    assert again["seconds"].tolist() == runs["seconds"].tolist()
    code = (
        "import transfer; from transfer.training.loop import use_deterministic_cpu\n"
        "use_deterministic_cpu(1)\n"
        f"row = transfer.train('A4B', {str(small_data)!r}, epochs=1, batch=16)[2]\n"
        "print(row['weights_sha256'])"
    )
    of_study = runs.set_index("run").loc["A4B_s0"]
    assert in_a_new_process(code, REPOSITORY).splitlines()[-1] == of_study["weights_sha256"]


def test_missing_data_are_simulated_once_if_asked(tmp_path):
    data = transfer.load_data(tmp_path / "lanes", simulate=240)
    assert [len(split.labels) for split in data.splits.values()] == [240, 60, 120]
    again = transfer.load_data(tmp_path / "lanes", simulate=480)
    assert len(again.train.labels) == 240


def test_numbers_and_arrays_are_understood_as_on_the_command_line():
    asked = {"n": np.arange(1, 4), "seeds": 0, "fractions": 0.5, "input": (32, 32), "epochs": 2}
    words = {option: api._in_words(option, value) for option, value in asked.items()}
    assert words == {
        "n": "1,2,3",
        "seeds": "0",
        "fractions": "0.5",
        "input": "32x32",
        "epochs": 2,
    }
