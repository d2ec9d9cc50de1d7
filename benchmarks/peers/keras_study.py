"""Networks of a study as a competent user would train them in plain Keras, reference protocol.

``python keras_study.py DATA BASE_A.npz THREADS NETWORK,...`` prints a JSON list of ``kind``,
``n``, ``seconds`` (all that the network costs, tracing too), ``epochs`` and ``test_accuracy``.
"""

from study_work import BATCH, EPOCHS, arguments, split

DATA, BASE_A, THREADS, NETWORKS = arguments()

import json  # noqa: E402 - threads are set before libraries start
import time  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)


def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.resize(tf.cast(image, tf.float32), (48, 80)) / 127.5 - 1.0, label


def batches(name: str, shuffled: bool) -> tf.data.Dataset:
    images, labels = split(DATA, name)
    data = tf.data.Dataset.from_tensor_slices((images, labels))
    if shuffled:
        data = data.shuffle(len(images))
    return data.batch(BATCH).map(prepare, num_parallel_calls=THREADS).prefetch(2)


def copy(body: keras.Model, weights: dict[str, np.ndarray], last: str) -> None:
    """Weights of all layers up to ``last``."""
    for layer in body.layers:
        for variable in layer.weights:
            variable.assign(weights[f"{layer.name}/{variable.name}"])
        if layer.name == last:
            return


train, valid, test = batches("train", True), batches("valid", False), batches("test", False)
base_a = dict(np.load(BASE_A))
base_b: dict[str, np.ndarray] = {}
rows = []
for kind, n in NETWORKS:
    start = time.perf_counter()
    body = keras.applications.MobileNet(
        input_shape=(48, 80, 3), alpha=0.25, include_top=False, weights=None
    )
    last = f"conv_pw_{n}_relu"
    if kind != "baseB":
        copy(body, base_b if kind == "BnB" else base_a, last)
    features = body.output
    if kind == "sliced":
        body = keras.Model(body.input, body.get_layer(last).output)
        features = body.output
    if kind in ("BnB", "AnB"):
        for layer in body.layers:
            layer.trainable = False
            if layer.name == last:
                break
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(1e-3)(pooled))
    model = keras.Model(body.input, outputs)
    rate = keras.optimizers.schedules.InverseTimeDecay(0.01, 1, 0.0005)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", min_delta=1e-4, patience=3, restore_best_weights=True
    )
    history = model.fit(
        train, validation_data=valid, epochs=EPOCHS, callbacks=[stopping], verbose=0
    )
    accuracy = model.evaluate(test, verbose=0)[1]
    if kind == "baseB":
        base_b = {f"{x.name}/{v.name}": v.numpy() for x in body.layers for v in x.weights}
    rows.append(
        {
            "kind": kind,
            "n": n,
            "seconds": time.perf_counter() - start,
            "epochs": len(history.epoch),
            "test_accuracy": accuracy,
        }
    )
print(json.dumps(rows))
