"""Times the epochs inside one call of Keras' ``fit``, so that its start-up is not counted."""

import time

import keras


class Timing(keras.callbacks.Callback):
    """Seconds of every epoch but the first; stops training when ``seconds`` have passed."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.epochs: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.start = time.perf_counter()
        if epoch == 1:
            self.began = self.start

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == 0:
            return
        now = time.perf_counter()
        self.epochs.append(now - self.start)
        self.model.stop_training = now - self.began >= self.seconds
