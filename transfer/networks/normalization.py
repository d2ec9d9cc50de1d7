"""BatchNorm in few passes over memory; in every other respect the layer is Keras' own.

On a CPU, TensorFlow's single kernel is slow forward for more than eight channels. Faster, and done
here: sums as matrix products, then scale and offset as a depthwise 1x1 convolution, which takes the
ReLU6 after it along.
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization`` for float32 (N, H, W, C), scaled and centred.

    Same outputs, gradients and moving statistics up to float32 rounding. With ``momentum = 1.0``
    the moving statistics never move, which is the ``legacy`` semantics of a frozen layer.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise by batch statistics in training, by moving statistics otherwise."""
        if not (training and self.trainable):
            scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
            return _scale_and_shift(inputs, scale, self.beta - self.moving_mean * scale)
        by_batch = _by_batch_fused if tf.config.list_physical_devices("GPU") else _by_batch
        outputs, mean, variance = by_batch(inputs, self.gamma, self.beta, self.epsilon)
        if self.momentum < 1.0:
            gain = 1.0 - self.momentum
            self.moving_mean.assign_add(gain * (mean - self.moving_mean))
            self.moving_variance.assign_add(gain * (variance - self.moving_variance))
        return outputs


def _scale_and_shift(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    kernel = tf.reshape(scale, (1, 1, -1, 1))
    return tf.nn.bias_add(tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID"), offset)


def _by_batch(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Outputs, mean and biased variance of the batch; gradients flow through the outputs alone."""

    @tf.custom_gradient
    def normalise(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple:
        rows = tf.reshape(x, (-1, x.shape[-1]))
        samples = tf.shape(rows)[0]
        averaging = tf.fill((1, samples), 1.0 / tf.cast(samples, tf.float32))
        mean = tf.matmul(averaging, rows)[0]
        variance = tf.maximum(tf.matmul(averaging, rows * rows)[0] - mean * mean, 0.0)
        scale = gamma * tf.math.rsqrt(variance + epsilon)

        def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            result = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=upstream,
                x=x,
                scale=gamma,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.constant([], tf.float32),
                epsilon=epsilon,
                is_training=True,
            )
            return result.x_backprop, result.scale_backprop, result.offset_backprop

        return (_scale_and_shift(x, scale, beta - mean * scale), mean, variance), gradient

    return normalise(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


def _by_batch_fused(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The same by TensorFlow's kernel."""
    result = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.constant([], tf.float32),
        variance=tf.constant([], tf.float32),
        epsilon=epsilon,
        is_training=True,
    )
    # The kernel reports the unbiased variance; Keras accumulates the biased one.
    samples = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
    return result.y, result.batch_mean, result.batch_variance * ((samples - 1.0) / samples)
