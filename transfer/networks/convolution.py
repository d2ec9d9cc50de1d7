"""Keras' convolutions where TensorFlow's CPU kernels are slow in the backward pass.

Measured at 48x80, alpha 0.25, batch 32, one thread: the gradient of a 1x1 kernel takes twice as
long as the same matrix product, and that of a depthwise 3x3 kernel on images of one or two pixels
(block 13) ten times as long as nine sums.
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
