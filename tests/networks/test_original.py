"""Our frozen BatchNorm (``legacy``) is that of Keras 2.2.4, step by step.

The oracle is what ``benchmarks/original/record.py`` recorded in that software: the start, four
batches, and after each step of gradient descent the outputs, gradients and weights.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.networks.layers import BatchNormalization
from transfer.networks.transplant import freeze

RECORDED = json.loads((Path(__file__).parent / "keras-2.2.4-batchnorm.json").read_text())
INPUTS = np.array(RECORDED["inputs"], "float32")  # (steps, N, H, W, C)
MOMENTUM = RECORDED["momentum"]
STATISTICS = ("moving_mean", "moving_variance")


def train(frozen_as):
    """Our layer in the recorded network, on the recorded batches; a step as it was recorded."""
    keras.utils.set_random_seed(0)
    layer = BatchNormalization(momentum=MOMENTUM, name="bn")
    dense = keras.layers.Dense(2)
    inputs = keras.Input(INPUTS.shape[2:])
    normalised = layer(inputs)
    model = keras.Model(inputs, [normalised, dense(keras.layers.Flatten()(normalised))])
    layer.set_weights([np.array(w) for w in RECORDED["start"]["batchnorm"]])
    dense.set_weights([np.array(w) for w in RECORDED["start"]["dense"]])
    if frozen_as:
        freeze(model, ["bn"], frozen_as)
    optimizer = keras.optimizers.SGD(RECORDED["learning_rate"])
    for x, y in zip(INPUTS, np.array(RECORDED["targets"], "float32"), strict=True):
        images = tf.constant(x)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            outputs, predicted = model(images, training=True)
            loss = tf.reduce_mean((predicted - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        yield {
            **{weight.name: weight.numpy() for weight in layer.weights},
            "loss": loss,
            "outputs": outputs,
            "gradient_of_inputs": tape.gradient(loss, images),
            "kernel": dense.kernel.numpy(),
            "outputs_in_evaluation": model(images, training=False)[0],
        }


def moving_average(values, start, debiased):
    """Exponential moving average after each step; ``debiased`` divides the start's share away."""
    averages, average = [], np.zeros_like(start) if debiased else start
    for step, value in enumerate(values, 1):
        average = MOMENTUM * average + (1 - MOMENTUM) * value
        averages.append(average / (1 - MOMENTUM**step) if debiased else average)
    return np.array(averages)


def agree(ours, theirs, names):
    assert len(ours) == len(theirs) == 4
    for our_step, their_step in zip(ours, theirs, strict=True):
        for name in names:
            np.testing.assert_allclose(
                our_step[name], their_step[name], rtol=2e-5, atol=2e-6, err_msg=name
            )


def test_a_frozen_layer_of_keras_2_2_4_is_ours_under_legacy():
    agree(list(train("legacy")), RECORDED["frozen"], RECORDED["frozen"][0])


def test_a_frozen_layer_of_keras_2_2_4_trains_by_batch_statistics_and_keeps_its_weights():
    mean, variance = INPUTS.mean((1, 2, 3)), INPUTS.var((1, 2, 3))
    gamma, beta, moving_mean, moving_variance = map(np.array, RECORDED["start"]["batchnorm"])
    for step, recorded in enumerate(RECORDED["frozen"]):
        by_batch = (INPUTS[step] - mean[step]) / np.sqrt(variance[step] + 1e-3)
        by_source = (INPUTS[step] - moving_mean) / np.sqrt(moving_variance + 1e-3)
        np.testing.assert_allclose(recorded["outputs"], gamma * by_batch + beta, atol=1e-5)
        np.testing.assert_allclose(
            recorded["outputs_in_evaluation"], gamma * by_source + beta, atol=1e-5
        )
        for name, weight in zip(
            ["gamma", "beta", *STATISTICS], RECORDED["start"]["batchnorm"], strict=True
        ):
            assert recorded[name] == weight


@pytest.mark.parametrize("bn", ["inference", "adapt"])
def test_the_other_semantics_are_not_that_of_keras_2_2_4(bn):
    with pytest.raises(AssertionError):
        agree(list(train(bn)), RECORDED["frozen"], ["outputs", *STATISTICS])


def test_an_unfrozen_layer_differs_from_keras_2_2_4_in_its_moving_statistics_alone():
    names = set(RECORDED["unfrozen"][0]) - {*STATISTICS, "outputs_in_evaluation"}
    agree(list(train(None)), RECORDED["unfrozen"], names)


def test_keras_2_2_4_forgets_the_start_and_corrects_the_variance_twice():
    samples = INPUTS[0, ..., 0].size
    variance = INPUTS.var((1, 2, 3))
    unbiased = variance * samples / (samples - 1)  # by TensorFlow's kernel
    twice = unbiased * samples / (samples - 1 - 1e-3)  # and by Keras, epsilon included
    theirs = {name: [step[name] for step in RECORDED["unfrozen"]] for name in STATISTICS}
    nothing = np.zeros(INPUTS.shape[-1])
    mean = moving_average(INPUTS.mean((1, 2, 3)), nothing, debiased=True)
    np.testing.assert_allclose(theirs["moving_mean"], mean, rtol=2e-6)
    np.testing.assert_allclose(
        theirs["moving_variance"], moving_average(twice, nothing, debiased=True), rtol=2e-6
    )


def test_ours_remembers_the_start_and_takes_the_variance_of_the_batch():
    _, _, mean, variance = map(np.array, RECORDED["start"]["batchnorm"])
    ours = list(train(None))
    for name, values, start in [
        ("moving_mean", INPUTS.mean((1, 2, 3)), mean),
        ("moving_variance", INPUTS.var((1, 2, 3)), variance),
    ]:
        expected = moving_average(values, start, debiased=False)
        np.testing.assert_allclose([step[name] for step in ours], expected, rtol=1e-5)
