"""Layers that train faster on a processor than Keras' own, and come to the same.

On so few channels as TinyVGG's, more than half of a training step is batch normalization (Ioffe &
Szegedy 2015, arXiv:1502.03167): TensorFlow computes it in vectors of one pixel's channels, and
Keras takes many passes over the values. Here it is computed on rows of all channels of a line of
pixels, with the gradient in closed form. Of the first convolution, whose inputs are the images
themselves, its statistics follow from those of the pixels, and it takes no pass at all.
"""

import keras
import tensorflow as tf
from keras import layers


def exchange_layers(network: keras.Sequential, *, precision: str) -> keras.Sequential:
    """Returns the same network of layers that are fast on a processor.

    Args:
        network: of stock layers, built, which begins with a convolution of one channel.
        precision: `float32`, or `mixed_bfloat16`, in which convolutions, but a first one that is
            normalized, round what they multiply in training. Inference stays in float32.

    Returns:
        A network with the weights of the given one, float32, in the same order. Its outputs and
        gradients are the same up to rounding.
    """
    fast = keras.Sequential([keras.Input(network.input_shape[1:])], name=network.name)
    stock = list(network.layers)
    if _is_normalized_convolution(stock):
        fast.add(_NormalizedConvolution(_copy(stock.pop(0)), _copy(stock.pop(0))))
    for layer in stock:
        fast.add(_exchange(layer, precision))
    fast.set_weights(network.get_weights())
    return fast


def _is_normalized_convolution(some: list[layers.Layer]) -> bool:
    first, second = some[:2]
    return isinstance(first, layers.Conv2D) and isinstance(second, layers.BatchNormalization)


def _exchange(layer: layers.Layer, precision: str) -> layers.Layer:
    if isinstance(layer, layers.BatchNormalization):
        return _RowNormalization.from_config(layer.get_config())
    if precision == "float32":
        return _copy(layer)
    if isinstance(layer, layers.Conv2D):
        return _RoundingConvolution.from_config(layer.get_config())
    # A quarter is left to be cast back after a pooling.
    return _copy(layer, autocast=not isinstance(layer, layers.MaxPooling2D))


def _copy(layer: layers.Layer, **changes: object) -> layers.Layer:
    return type(layer).from_config({**layer.get_config(), **changes})


class _RoundingConvolution(layers.Conv2D):
    """A convolution in bfloat16 while training, with weights of float32."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training:
            return super().call(inputs)
        rounded = [tf.cast(values, tf.bfloat16) for values in (inputs, self.kernel.value)]
        outputs = tf.nn.conv2d(*rounded, 1, self.padding.upper())
        if not self.use_bias:
            return outputs
        return tf.nn.bias_add(outputs, tf.cast(self.bias.value, tf.bfloat16))


class _RowNormalization(layers.BatchNormalization):
    """Batch normalization of [B, H, W, C] on rows of W × C values."""

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not training:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = _normalize(
            inputs, self.gamma.value, self.beta.value, self.epsilon
        )
        _follow(self, mean, variance)
        return outputs


class _NormalizedConvolution(layers.Layer):
    """A convolution of images of one channel and the batch normalization of what it gives.

    What a filter gives at a place is a weighted sum of the pixels below it. So its mean and
    variance over the batch follow from the means and covariances of these 3 × 3 pixels, which do
    not depend on the weights; and to normalize is to convolve by other weights.
    """

    def __init__(
        self, convolution: layers.Conv2D, normalization: layers.BatchNormalization
    ) -> None:
        super().__init__(name=convolution.name)
        self._convolution, self._normalization = convolution, normalization

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._convolution.build(input_shape)
        self._normalization.build(self._convolution.compute_output_shape(input_shape))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self._convolution.compute_output_shape(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        convolution, normalization = self._convolution, self._normalization
        if not training:
            return normalization(convolution(inputs), training=training)
        kernel = convolution.kernel.value
        weights = tf.reshape(kernel, [-1, convolution.filters])
        means, covariances = _describe_patches(inputs, convolution.kernel_size, convolution.padding)
        mean = tf.linalg.matvec(weights, means, transpose_a=True)
        variance = tf.reduce_sum(weights * tf.matmul(covariances, weights), 0)
        _follow(normalization, mean, variance)
        scale = normalization.gamma.value * tf.math.rsqrt(variance + normalization.epsilon)
        outputs = tf.nn.conv2d(inputs, kernel * scale, 1, convolution.padding.upper())
        return tf.nn.bias_add(outputs, normalization.beta.value - mean * scale)


def _describe_patches(
    images: tf.Tensor, size: tuple[int, int], padding: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Means [K] and covariances [K, K] of the K pixels that a filter sees, over all its places."""
    pixels = tf.squeeze(images, -1)
    if padding == "same":
        # As TensorFlow pads for filters of an odd size and steps of one.
        pixels = tf.pad(pixels, [[0, 0], *([side // 2] * 2 for side in size)])
    height, width = (full - side + 1 for full, side in zip(pixels.shape[1:], size, strict=True))
    patches = tf.stack(
        [
            tf.reshape(pixels[:, top : top + height, left : left + width], [-1])
            for top in range(size[0])
            for left in range(size[1])
        ]
    )
    means = tf.reduce_mean(patches, 1)
    centered = patches - means[:, tf.newaxis]
    places = tf.cast(tf.shape(patches)[1], tf.float32)
    return means, tf.matmul(centered, centered, transpose_b=True) / places


def _follow(normalization: layers.BatchNormalization, mean: tf.Tensor, variance: tf.Tensor) -> None:
    """Moves what is remembered for inference, as Keras does."""
    for remembered, value in (
        (normalization.moving_mean, mean),
        (normalization.moving_variance, variance),
    ):
        remembered.assign(
            remembered * normalization.momentum + value * (1.0 - normalization.momentum)
        )


@tf.custom_gradient
def _normalize(
    inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], object]:
    """Normalizes [B, H, W, C] by its mean and variance [C], which it returns too.

    The gradient is that of Ioffe & Szegedy, section 3, solved for the inputs: a weighted sum of the
    gradient of the outputs, of the centered inputs, and of one.
    """
    shape, (width, channels) = tf.shape(inputs), inputs.shape[2:]
    rows = tf.reshape(inputs, [-1, width * channels])
    height = tf.shape(rows)[0]
    # The product with ones adds up faster than TensorFlow's sum.
    ones = tf.ones([1, height])
    count = tf.cast(height * width, tf.float32)

    def add_up(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.reshape(tf.matmul(ones, values), [width, channels]), 0)

    def spread(values: tf.Tensor) -> tf.Tensor:
        return tf.tile(values, [width])

    mean = add_up(rows) / count
    centered = rows - spread(mean)
    variance = add_up(tf.square(centered)) / count
    inverse = tf.math.rsqrt(variance + epsilon)
    scale = gamma * inverse
    outputs = centered * spread(scale) + spread(beta)

    def gradient(
        upstream: tf.Tensor, _mean: tf.Tensor, _variance: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, None]:
        upstream = tf.reshape(upstream, [-1, width * channels])
        of_beta = add_up(upstream)
        of_gamma = add_up(upstream * centered) * inverse
        along = -scale * inverse * of_gamma / count
        constant = -scale * of_beta / count
        of_inputs = upstream * spread(scale) + (centered * spread(along) + spread(constant))
        return tf.reshape(of_inputs, shape), of_gamma, of_beta, None

    return (tf.reshape(outputs, shape), mean, variance), gradient
