"""BatchNorm as one operation.

Keras 3 on TensorFlow normalises by moments followed by element-wise operations; TensorFlow has the
whole of it, forward and backward, as one kernel. The layer below is Keras' own in every other
respect: weights, names, arguments, meaning of ``trainable``.
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization`` for float32 (N, H, W, C), computed by one kernel.

    Same outputs, gradients and moving statistics up to float32 rounding. With ``momentum = 1.0``
    the moving statistics never move, which is the ``legacy`` semantics of a frozen layer.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise by batch statistics in training, by moving statistics otherwise."""
        if not (training and self.trainable):
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=self.gamma,
                offset=self.beta,
                mean=self.moving_mean,
                variance=self.moving_variance,
                epsilon=self.epsilon,
                is_training=False,
            ).y
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        if self.momentum < 1.0:
            # The kernel reports the unbiased variance; Keras accumulates the biased one.
            samples = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
            biased = result.batch_variance * ((samples - 1.0) / samples)
            gain = 1.0 - self.momentum
            self.moving_mean.assign_add(gain * (result.batch_mean - self.moving_mean))
            self.moving_variance.assign_add(gain * (biased - self.moving_variance))
        return result.y
