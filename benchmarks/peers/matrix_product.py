"""The limit: multiply-adds of a float32 matrix product, as images a second of training.

Training costs three times the multiply-adds of a prediction: forward, and backward to inputs and to
weights.
"""

import time

from work import CLASSES, IMAGES, SIZE, arguments, report

ALPHA, THREADS, SECONDS = arguments()

import numpy as np  # noqa: E402 - threads are set before libraries start

from transfer.networks.architecture import Architecture, multiply_adds, parameters  # noqa: E402

SIDE = 1024
architecture = Architecture(alpha=ALPHA, input_size=SIZE, classes=CLASSES)
a, b = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
products = max(1, round(3 * multiply_adds(architecture) * IMAGES / SIDE**3))
exact = 3 * multiply_adds(architecture) * IMAGES / SIDE**3


def epoch() -> None:
    start = time.perf_counter()
    for _ in range(products):
        a @ b
    taken = time.perf_counter() - start
    time.sleep(max(0.0, taken * (exact / products - 1.0)))  # products are whole, images are not


report(epoch, SECONDS, parameters(architecture))
