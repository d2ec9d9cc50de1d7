"""The training loop against Keras' SGD, closed forms, and itself killed and resumed."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.network import build, random_weights
from transfer.networks.transplant import frozen_layers, get_weights, set_weights
from transfer.networks.weights import hash_weights
from transfer.runs import PROTOCOLS, Protocol, parse_run
from transfer.studies.execute import audit
from transfer.training.loop import Images, batch_norm_momentum, fit, learning_rate
from transfer.training.step import Setting, Trainer

ARCHITECTURE = Architecture(n=2, input_size=(32, 32), image_size=(32, 32))
PROTOCOL = Protocol("one_cycle", 0.05, 0.9, True, 16, 4)


@pytest.fixture(scope="module")
def trainer():
    return Trainer(Setting(ARCHITECTURE, (), "", 0.9, 0.9, True, 16))


#: Two networks with shortcuts; the second drops whole blocks at random.
OTHERS = [
    Architecture(4, 0.35, (32, 32), (32, 32), backbone="mobilenet_v2"),
    Architecture(4, 1.0, (32, 32), (32, 32), backbone="efficientnet_b0"),
]


@pytest.fixture(scope="module")
def start():
    return random_weights(ARCHITECTURE, 0)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 96)
    pictures = rng.integers(0, 100, (96, 32, 32, 3), dtype=np.uint8)
    pictures[np.arange(96), :, :, labels] += 100
    train = np.arange(64)
    return Images(pictures[:64], labels[:64], train, pictures[64:], labels[64:])


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_keras_sgd(nesterov, start):
    trainer = Trainer(Setting(ARCHITECTURE, (), "", 0.9, 0.9, nesterov, 8))
    reference = build(ARCHITECTURE, bn_momentum=0.9)
    for model in (trainer.model, reference):
        model.get_layer("dropout").rate = 0.0
    trainer.start(start, 0)
    set_weights(reference, start)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=nesterov)
    rng = np.random.default_rng(0)
    for _ in range(3):
        batch = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
        labels = rng.integers(0, 3, 8).astype(np.int32)
        trainer.train_step(batch, labels, 0.05)
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(
                labels, reference(batch, training=True)
            )
            loss = keras.ops.mean(losses)
        variables = reference.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
    for name, value in get_weights(reference).items():
        np.testing.assert_allclose(trainer.weights()[name], value, rtol=1e-3, atol=1e-4)


def test_the_reference_schedule_is_keras_inverse_time_decay():
    theirs = keras.optimizers.schedules.InverseTimeDecay(0.01, 1, 0.0005)
    for step in (0, 1, 100, 5000):
        ours = learning_rate(PROTOCOLS["reference"], step, 9999)
        assert ours == pytest.approx(float(theirs(step)))


def test_one_cycle_rises_to_its_peak_and_falls_to_zero():
    protocol = PROTOCOLS["fast"]
    rates = [learning_rate(protocol, step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.1 * protocol.learning_rate)
    assert max(rates) == rates[300] == pytest.approx(protocol.learning_rate)
    assert rates[1000] == pytest.approx(0, abs=1e-9)
    assert all(np.diff(rates[:301]) > 0)
    assert all(np.diff(rates[300:]) < 0)


@pytest.mark.parametrize(
    ("images", "expected"), [(56172, 0.99), (6000, 0.9462), (640, 0.8), (1, 0.8)]
)
def test_batch_norm_remembers_a_fifth_of_an_epoch(images, expected):
    assert batch_norm_momentum(images, 64) == expected


def run(trainer, start, images, folder, protocol=PROTOCOL, stop_after=None):
    def on_epoch(epochs):
        if len(epochs) == stop_after:
            raise KeyboardInterrupt

    return fit(trainer, start, images, protocol, 7, folder / "checkpoint", on_epoch)


def test_the_same_run_twice_gives_the_same_weights(trainer, start, images, tmp_path):
    (first, ours), (second, again) = (
        run(trainer, start, images, tmp_path / name) for name in ("a", "b")
    )
    assert hash_weights(ours) == hash_weights(again)
    assert first.best_accuracy == second.best_accuracy > 0.5


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_ends_with_the_same_weights(trainer, start, images, tmp_path, killed_after):
    progress, whole = run(trainer, start, images, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(trainer, start, images, tmp_path / "killed", stop_after=killed_after)
    resumed, weights = run(trainer, start, images, tmp_path / "killed")
    assert hash_weights(weights) == hash_weights(whole)
    assert len(resumed.epochs) == len(progress.epochs) == 4
    assert resumed.seconds >= sum(epoch["seconds"] for epoch in resumed.epochs)
    for ours, theirs in zip(resumed.epochs, progress.epochs, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


@pytest.mark.parametrize("architecture", OTHERS, ids=lambda a: a.backbone)
@pytest.mark.parametrize("bn", ["inference", "legacy", "adapt"])
def test_of_other_backbones_what_is_frozen_stays_and_a_killed_run_is_the_same(
    architecture, bn, images, tmp_path
):
    network = parse_run("A2B_s0" if bn == "inference" else f"A2B_{bn}_s0")
    frozen = frozen_layers(network, architecture)
    trainer = Trainer(Setting(architecture, frozen, bn, 0.9, 0.9, True, 16))
    start = random_weights(architecture, 0)
    _, whole = run(trainer, start, images, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(trainer, start, images, tmp_path / "killed", stop_after=2)
    _, resumed = run(trainer, start, images, tmp_path / "killed")
    assert hash_weights(resumed) == hash_weights(whole)
    audit(network, architecture, start, whole)
    moved = {name for name in whole if not np.array_equal(whole[name], start[name])}
    statistics = {name for name in whole if "/moving_" in name}
    of_frozen = {name for name in whole if name.split("/")[0] in frozen}
    assert moved & of_frozen == (statistics & of_frozen if bn == "adapt" else set())
    assert moved >= whole.keys() - of_frozen
    name = next(iter(of_frozen - statistics))
    with pytest.raises(TransferError, match=re.escape(name)):
        audit(network, architecture, start, {**whole, name: whole[name] + 1e-6})


def test_the_best_epoch_is_kept(trainer, start, images, tmp_path):
    progress, weights = run(trainer, start, images, tmp_path)
    validation = [epoch["val_accuracy"] for epoch in progress.epochs]
    latest = max(i for i, value in enumerate(validation) if value == max(validation))
    assert progress.best_epoch == latest + 1
    trainer.start(weights, 0)
    predicted = trainer.predict(images.valid_images).argmax(1)
    assert np.mean(predicted == images.valid_labels) == max(validation)


def test_of_equal_epochs_the_latest_is_kept(trainer, start, images, tmp_path):
    still = dataclasses.replace(PROTOCOL, learning_rate=0.0, epochs=3)
    # BatchNorm's statistics still move: one validation image that is right or wrong in all epochs.
    one = dataclasses.replace(
        images, valid_images=images.valid_images[:1], valid_labels=images.valid_labels[:1]
    )
    progress, weights = run(trainer, start, one, tmp_path, still)
    assert len({epoch["val_accuracy"] for epoch in progress.epochs}) == 1
    assert progress.best_epoch == 3
    assert hash_weights(weights) == hash_weights(trainer.weights())


def test_training_stops_when_validation_no_longer_improves(trainer, start, images, tmp_path):
    still = dataclasses.replace(PROTOCOL, learning_rate=0.0, epochs=10, patience=2, min_delta=0.5)
    progress, _ = run(trainer, start, images, tmp_path, still)
    assert len(progress.epochs) == 3


def test_a_learning_rate_too_high_is_said(trainer, start, images, tmp_path):
    wild = dataclasses.replace(PROTOCOL, learning_rate=1e38)
    with pytest.raises(TransferError, match="no longer finite in epoch"):
        run(trainer, start, images, tmp_path, wild)


def test_weights_that_the_last_step_ruined_are_said(trainer, start, images, tmp_path):
    # One step an epoch: its loss is that of the weights before it.
    # Infinite in float32: 1e38 may leave every unit dead, and then what is predicted is finite.
    wild = dataclasses.replace(PROTOCOL, learning_rate=1e40, epochs=1)
    one = dataclasses.replace(images, train_indices=np.arange(16))
    with pytest.raises(TransferError, match="no longer finite in epoch 1"):
        run(trainer, start, one, tmp_path, wild)


def test_too_few_images_for_a_batch_is_said(trainer, start, images, tmp_path):
    few = dataclasses.replace(images, train_indices=np.arange(15))
    with pytest.raises(TransferError, match="batch of 16"):
        run(trainer, start, few, tmp_path)
