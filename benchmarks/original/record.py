"""Record what one BatchNorm layer of Keras 2.2.4 does in training, frozen and not, as JSON.

The network is BatchNorm, Flatten, Dense (two outputs, squared error), trained by plain gradient
descent. ``python record.py OUT.json`` writes the start, the batches and, after every step, what
came out. ``tests/networks/test_original.py`` compares our layer with it.
"""

import json
import sys

import keras
import numpy as np
from keras import backend as K

SHAPE, STEPS, RATE, MOMENTUM = (4, 2, 2, 2), 4, 0.1, 0.9


def rounded(array):
    """Nested lists with the nine digits that give a float32 back exactly."""
    array = np.asarray(array, np.float32)
    return np.reshape([float(f"{value:.9g}") for value in array.ravel()], array.shape).tolist()


def record(trainable, start, inputs, targets):
    """The steps of a layer whose ``trainable`` was set before compiling."""
    K.clear_session()
    model = keras.Sequential(
        [
            keras.layers.BatchNormalization(
                momentum=MOMENTUM, trainable=trainable, input_shape=SHAPE[1:]
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    layer, _, dense = model.layers
    layer.set_weights(start["batchnorm"])
    dense.set_weights(start["dense"])
    model.compile(keras.optimizers.SGD(lr=RATE), loss="mse")
    at = K.function(
        [model.input, model.targets[0], model.sample_weights[0], K.learning_phase()],
        [layer.output, K.gradients(model.total_loss, model.input)[0]],
    )
    steps = []
    for x, y in zip(inputs, targets):
        outputs, gradient = at([x, y, np.ones(len(x)), 1])
        loss = model.train_on_batch(x, y)
        evaluated, _ = at([x, y, np.ones(len(x)), 0])
        after = dict(zip(["gamma", "beta", "moving_mean", "moving_variance"], layer.get_weights()))
        step = dict(
            after,
            loss=loss,
            outputs=outputs,
            gradient_of_inputs=gradient,
            kernel=dense.get_weights()[0],
            outputs_in_evaluation=evaluated,
        )
        steps.append({name: rounded(value) for name, value in step.items()})
    return steps


def main(out):
    random = np.random.RandomState(0)
    inputs = random.normal(1, 2, (STEPS, *SHAPE)).astype("float32")
    targets = random.normal(0, 1, (STEPS, SHAPE[0], 2)).astype("float32")
    start = {
        "batchnorm": [random.uniform(0.5, 1.5, SHAPE[3]).astype("float32") for _ in range(4)],
        "dense": [random.normal(0, 0.3, (8, 2)).astype("float32"), np.zeros(2, "float32")],
    }
    recorded = {
        "keras": keras.__version__,
        "tensorflow": K.tf.__version__,
        "numpy": np.__version__,
        "learning_rate": RATE,
        "momentum": MOMENTUM,
        "start": {name: [rounded(array) for array in arrays] for name, arrays in start.items()},
        "inputs": rounded(inputs),
        "targets": rounded(targets),
        "frozen": record(False, start, inputs, targets),
        "unfrozen": record(True, start, inputs, targets),
    }
    with open(out, "w") as file:
        json.dump(recorded, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
