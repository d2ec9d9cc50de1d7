"""The published study's way, ported to Keras 3: a Python generator that resizes each batch."""

from work import BATCH, CLASSES, IMAGES, SIZE, arguments, images_and_labels, report_epochs

ALPHA, THREADS, SECONDS = arguments()

from collections.abc import Iterator  # noqa: E402

import keras  # noqa: E402 - threads are set before libraries start
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras_timing import Timing  # noqa: E402
from PIL import Image  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
images, labels = images_and_labels()
one_hot = np.eye(CLASSES, dtype=np.float32)[labels]


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        order = np.random.permutation(IMAGES)
        for start in range(0, IMAGES, BATCH):
            chosen = order[start : start + BATCH]
            resized = [
                np.asarray(Image.fromarray(images[i]).resize(SIZE[::-1], Image.Resampling.NEAREST))
                for i in chosen
            ]
            yield np.stack(resized).astype(np.float32) / 127.5 - 1.0, one_hot[chosen]


body = keras.applications.MobileNet(
    input_shape=(*SIZE, 3), alpha=ALPHA, include_top=False, weights=None, pooling="avg"
)
outputs = keras.layers.Dense(CLASSES, activation="softmax")(body.output)
model = keras.Model(body.input, outputs)
optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
timing = Timing(SECONDS)
steps = IMAGES // BATCH
model.fit(batches(), steps_per_epoch=steps, epochs=1000, verbose=0, callbacks=[timing])
report_epochs(timing.epochs, model.count_params())
