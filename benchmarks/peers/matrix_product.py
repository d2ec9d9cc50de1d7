"""The limit: multiply-adds of a float32 matrix product, as images a second of training.

Training costs three times the multiply-adds of a prediction: forward, and backward to inputs and to
weights.
"""

from work import CLASSES, IMAGES, SIZE, arguments, report

ALPHA, THREADS, SECONDS = arguments()

import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from transfer.networks.architecture import Architecture, multiply_adds, parameters  # noqa: E402

SIDE = 1024
architecture = Architecture(alpha=ALPHA, input_size=SIZE, classes=CLASSES)
a, b = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
needed = 3 * multiply_adds(architecture) * IMAGES  # multiply-adds of an epoch
products, rows = divmod(needed, SIDE**3)
rows = round(rows / SIDE**2)  # the remainder: a product of fewer rows


def epoch() -> None:
    for _ in range(products):
        a @ b
    a[:rows] @ b


# numpy has loaded OpenBLAS by now, and OpenBLAS reads its environment once: tell it directly.
with threadpool_limits(THREADS, user_api="blas"):
    report(epoch, SECONDS, parameters(architecture))
