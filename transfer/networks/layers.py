"""Layers in which TensorFlow's CPU kernels are slow, in fewer passes; else they are Keras' own.

BatchNorm: sums as matrix products, then scale and offset as a depthwise 1x1 convolution, which
takes the ReLU6 after it along. Convolution, measured at 48x80, alpha 0.25, batch 32: the gradient
of a 1x1 kernel takes twice as long as the same matrix product, and that of a depthwise 3x3 kernel
on images of one or two pixels (block 13) ten times as long as nine sums.
"""

import keras
import tensorflow as tf


class Conv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` without bias; a 1x1 kernel of stride 1 as a matrix product."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """(N, H, W, channels) to (N, H / stride, W / stride, filters)."""
        if self.kernel_size != (1, 1) or self.strides != (1, 1):
            return super().call(inputs)
        _, height, width, channels = inputs.shape
        rows = tf.reshape(inputs, (-1, channels))
        products = tf.matmul(rows, tf.reshape(self.kernel, (channels, self.filters)))
        return tf.reshape(products, (-1, height, width, self.filters))


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """``keras.layers.DepthwiseConv2D`` with a 3x3 kernel and no bias."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """(N, H, W, channels) to (N, H / stride, W / stride, channels)."""
        if self.padding == "same" and self.strides == (1, 1) and min(inputs.shape[1:3]) < 3:
            return _depthwise_small(inputs, tf.convert_to_tensor(self.kernel))
        return super().call(inputs)


@tf.custom_gradient
def _depthwise_small(x: tf.Tensor, kernel: tf.Tensor) -> tuple:
    """Depthwise 3x3, stride 1, zero padding; the kernel's gradient as one sum a tap."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width = x.shape[1:3]
        padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        taps = [
            tf.reduce_sum(padded[:, i : i + height, j : j + width] * upstream, [0, 1, 2])
            for i in range(3)
            for j in range(3)
        ]
        to_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(x),
            filter=kernel,
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return to_inputs, tf.reshape(tf.stack(taps), kernel.shape)

    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME"), gradient


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
