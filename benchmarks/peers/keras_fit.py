"""A competent user's script: keras.applications, ``fit``, resizing in tf.data."""

from work import BATCH, CLASSES, IMAGES, SIZE, arguments, images_and_labels, report_epochs

ALPHA, THREADS, SECONDS = arguments()

import keras  # noqa: E402 - threads are set before libraries start
import tensorflow as tf  # noqa: E402
from keras_timing import Timing  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)


def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.resize(tf.cast(image, tf.float32), SIZE) / 127.5 - 1.0, label


data = (
    tf.data.Dataset.from_tensor_slices(images_and_labels())
    .shuffle(IMAGES)
    .batch(BATCH, drop_remainder=True)
    .map(prepare, num_parallel_calls=THREADS)
    .prefetch(2)
)
options = tf.data.Options()
options.threading.private_threadpool_size = THREADS
data = data.with_options(options)
body = keras.applications.MobileNet(
    input_shape=(*SIZE, 3), alpha=ALPHA, include_top=False, weights=None, pooling="avg"
)
dropped = keras.layers.Dropout(1e-3)(body.output)
outputs = keras.layers.Dense(CLASSES, activation="softmax")(dropped)
model = keras.Model(body.input, outputs)
model.compile(
    keras.optimizers.SGD(0.01, momentum=0.9),
    "sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
timing = Timing(SECONDS)
model.fit(data, epochs=1000, verbose=0, callbacks=[timing])
report_epochs(timing.epochs, model.count_params())
