"""Thirteen AnB networks, three epochs each, as a competent user would: ``trainable = False``."""

from work import BATCH, CLASSES, EPOCHS, IMAGES, SIZE, arguments, images_and_labels, report_frozen

ALPHA, THREADS, _ = arguments()

import time  # noqa: E402 - threads are set before libraries start

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)


def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.resize(tf.cast(image, tf.float32), SIZE) / 127.5 - 1.0, label


options = tf.data.Options()
options.threading.private_threadpool_size = THREADS
data = (
    tf.data.Dataset.from_tensor_slices(images_and_labels())
    .shuffle(IMAGES)
    .batch(BATCH, drop_remainder=True)
    .map(prepare, num_parallel_calls=THREADS)
    .prefetch(2)
    .with_options(options)
)


def seconds(n: int) -> float:
    body = keras.applications.MobileNet(
        input_shape=(*SIZE, 3), alpha=ALPHA, include_top=False, weights=None, pooling="avg"
    )
    for layer in body.layers:
        layer.trainable = False
        if layer.name == f"conv_pw_{n}_relu":
            break
    outputs = keras.layers.Dense(CLASSES, activation="softmax")(body.output)
    model = keras.Model(body.input, outputs)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.take(1), epochs=1, verbose=0)  # tracing is not counted, for no peer
    start = time.perf_counter()
    model.fit(data, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - start


report_frozen([seconds(n) for n in range(1, 14)])
