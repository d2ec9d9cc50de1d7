"""One training step as one graph, traced once for a setting, and the network it trains."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from transfer.networks.architecture import Weights
from transfer.networks.backbone import Architecture
from transfer.networks.network import build, part_of
from transfer.networks.transplant import freeze, get_weights, set_weights

_PREDICTION_BATCH = 128


@dataclass(frozen=True)
class Setting:
    """All that the graph of a run depends on: runs of one setting share a `Trainer`.

    ``bn``: semantics of the frozen layers. ``after``: the block whose output is given instead of
    images; those up to it are frozen and were computed before.
    """

    architecture: Architecture
    frozen: tuple[str, ...]
    bn: str
    bn_momentum: float
    momentum: float
    nesterov: bool
    batch: int
    after: int | None = None


class Trainer:
    """A network, the momentum of its weights, and the compiled training and prediction steps."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.model = build(setting.architecture, setting.bn_momentum)
        freeze(self.model, setting.frozen, setting.bn)
        self._logits = part_of(self.model, setting.after, None)
        self._variables = [variable.value for variable in self.model.trainable_variables]
        self._momenta = [tf.Variable(tf.zeros_like(variable)) for variable in self._variables]
        self._dropouts = {
            layer.name: layer.seed_generator.state
            for layer in self.model.layers
            if isinstance(layer, keras.layers.Dropout)
        }
        given = self._logits.input
        self._train = tf.function(
            self._train_step,
            input_signature=[
                tf.TensorSpec((setting.batch, *given.shape[1:]), given.dtype),
                tf.TensorSpec((setting.batch,), tf.int32),
                tf.TensorSpec((), tf.float32),
            ],
        )
        self._predict = tf.function(
            lambda inputs: tf.nn.softmax(self._logits(inputs, training=False)),
            input_signature=[tf.TensorSpec(given.shape, given.dtype)],
        )

    def _train_step(
        self, inputs: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self._logits(inputs, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self._variables)
        for variable, gradient, momentum in zip(
            self._variables, gradients, self._momenta, strict=True
        ):
            # Keras' SGD as one kernel: m = momentum * m - lr * g; w += m (Nesterov: looks ahead).
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=momentum.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=self.setting.momentum,
                use_nesterov=self.setting.nesterov,
            )
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    def start(self, weights: Weights, seed: int) -> None:
        """Forget everything: these weights, no momentum, dropout from ``seed``."""
        set_weights(self.model, weights)
        for momentum in self._momenta:
            momentum.assign(tf.zeros_like(momentum))
        for name, state in self._dropouts.items():
            # The head's is the seed itself. The others are functions of (seed, layer).
            own = 0 if name == "dropout" else zlib.crc32(name.encode())
            state.assign([(seed ^ own) & 0x7FFFFFFF, 0])

    def train_step(
        self, inputs: np.ndarray, labels: np.ndarray, learning_rate: float
    ) -> tuple[float, float]:
        """One step on a batch of images or features, int32 (batch,): mean loss and accuracy."""
        loss, accuracy = self._train(inputs, labels, np.float32(learning_rate))
        return float(loss), float(accuracy)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (N, classes), of N inputs as in `train_step`."""
        parts = [
            self._predict(inputs[start : start + _PREDICTION_BATCH]).numpy()
            for start in range(0, len(inputs), _PREDICTION_BATCH)
        ]
        return np.concatenate(parts)

    def weights(self) -> dict[str, np.ndarray]:
        """The network's weights, keyed ``layer/weight``."""
        return get_weights(self.model)

    def state(self) -> dict[str, np.ndarray]:
        """Everything the next step depends on, as arrays; `restore` takes it back."""
        state = {f"weights/{name}": value for name, value in self.weights().items()}
        for number, momentum in enumerate(self._momenta):
            state[f"momentum/{number}"] = momentum.numpy()
        state["dropout"] = np.array([np.asarray(s) for s in self._dropouts.values()])
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state` of the same setting."""
        set_weights(
            self.model,
            {k.removeprefix("weights/"): v for k, v in state.items() if k.startswith("weights/")},
        )
        for number, momentum in enumerate(self._momenta):
            momentum.assign(state[f"momentum/{number}"])
        for own, value in zip(
            self._dropouts.values(), state["dropout"].reshape(-1, 2), strict=True
        ):
            own.assign(value)
