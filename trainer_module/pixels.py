"""Pixels as bytes: what the transform graph makes of each value, so that images can stay bytes.

A byte takes a quarter of the float that it becomes. Where the graph does to each pixel what it does
to that value anywhere, a table of the 256 values stands for it, bit for bit.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer_module import features, preprocessing

Scale = Callable[[tf.Tensor], tf.Tensor]
"""Makes images, float32 [N, 28, 28, 1], of what is kept of them."""

_VALUES = 256


def tabulate(transform_output: tft.TFTransformOutput) -> tf.Tensor:
    """Asks the transform graph what it makes of each value.

    Args:
        transform_output: what Transform exported.

    Returns:
        float32 [256]. It says nothing of an image that `agrees` does not hold of: a graph may look
        at more of an image than one pixel.
    """
    ramp = np.arange(_VALUES, dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = np.broadcast_to(ramp, [_VALUES, features.IMAGE_SIZE, features.IMAGE_SIZE, 1])
    return preprocessing.load_scaling(transform_output)(tf.constant(images))[:, 0, 0, 0]


def agrees(table: tf.Tensor, pixels: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Whether the graph made of pixels, uint8, just the images that the table makes: bool."""
    by_value = look_up(table, pixels)
    return tf.reduce_all(tf.bitcast(by_value, tf.int32) == tf.bitcast(images, tf.int32))


def look_up(table: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Makes images of pixels, uint8 of any shape, by a table: float32 of that shape."""
    return tf.gather(table, tf.cast(pixels, tf.int32))


def make_scale(table: tf.Tensor) -> Scale:
    """Makes the fastest function that does what a table says.

    Args:
        table: float32 [256].

    Returns:
        A function from uint8 to float32 of the same shape, with the very bits of the table.
    """
    divide = _make_division(table)
    every = tf.range(_VALUES)
    if divide and agrees(table, every, divide(every)):
        return divide
    return lambda pixels: look_up(table, pixels)


def _make_division(table: tf.Tensor) -> Scale | None:
    """Guesses the division by which values became what a table says; None if it can't be one.

    It takes a third of the time that looking up does.
    """
    first, second, *_ = map(float, table)
    step = second - first
    if not step > 0:
        return None
    # A divisor that a graph knows would be turned into a factor, and round otherwise.
    lowest, divisor = (tf.constant(round(one), tf.float32) for one in (-first / step, 1 / step))
    return lambda pixels: (tf.cast(pixels, tf.float32) - lowest) / divisor
