"""Augmentation: each time an image is trained on, it is another view of the same garment.

It belongs to the training path only; what is evaluated and served is never changed.
"""

import tensorflow as tf

from trainer_module import features


def augment(
    images: tf.Tensor, seed: tf.Tensor, *, flip: bool, shift: int, erase: float, erase_size: int
) -> tf.Tensor:
    """Changes each image of a batch at random; the same seed gives the same changes.

    Args:
        images: float32 [N, 28, 28, 1], background 0.
        seed: int64 [2], another one for each batch.
        flip: mirrors half of the images, left to right.
        shift: moves an image by up to so many pixels along each axis; 0 leaves it out.
        erase: the fraction of images in which a rectangle becomes background (random
            erasing, Zhong et al. 2017, arXiv:1708.04896); 0 leaves it out.
        erase_size: the longest side of that rectangle, in pixels.

    Returns:
        float32 [N, 28, 28, 1].
    """
    flip_seed, shift_seed, erase_seed = tf.unstack(tf.random.split(seed, 3))
    if flip or shift:
        images = _move(images, flip_seed if flip else None, shift_seed, shift)
    if erase:
        images = _erase(images, erase_seed, erase, erase_size)
    return images


def _move(
    images: tf.Tensor, flip_seed: tf.Tensor | None, shift_seed: tf.Tensor, limit: int
) -> tf.Tensor:
    """Mirrors half of the images, unless there is no seed for it, and shifts all."""
    count, padding = tf.shape(images)[0], [limit, limit]
    padded = tf.pad(tf.squeeze(images, 3), [[0, 0], padding, padding])
    offsets = tf.random.stateless_uniform([count, 2], shift_seed, 0, 2 * limit + 1, tf.int32)
    rows, columns = tf.unstack(offsets[..., tf.newaxis] + tf.range(features.IMAGE_SIZE), axis=1)
    if flip_seed is not None:
        mirrored = tf.random.stateless_uniform([count, 1], flip_seed) < 0.5
        # What is mirrored and then shifted is what is taken from the other end.
        columns = tf.where(mirrored, padded.shape[2] - 1 - columns, columns)
    if limit:
        padded = _take_rows(padded, rows)
    # Turned to rows and back, columns cost half of what they do pixel by pixel.
    turned = _take_rows(tf.transpose(padded, [0, 2, 1]), columns)
    return tf.transpose(turned, [0, 2, 1])[..., tf.newaxis]


def _take_rows(images: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Takes rows of each image by their numbers, [N, height, width] and int32 [N, R].

    As those of a single long image: a gather for each costs more.
    """
    _, height, width = images.shape
    starts = tf.range(tf.shape(images)[0])[:, tf.newaxis] * height
    return tf.gather(tf.reshape(images, [-1, width]), starts + rows)


def _erase(images: tf.Tensor, seed: tf.Tensor, fraction: float, longest: int) -> tf.Tensor:
    chance_seed, size_seed, start_seed = tf.unstack(tf.random.split(seed, 3))
    count = tf.shape(images)[0]
    chosen = tf.random.stateless_uniform([count, 1, 1], chance_seed) < fraction
    sizes = tf.random.stateless_uniform([count, 2], size_seed, 1, longest + 1, tf.int32)
    places = tf.random.stateless_uniform([count, 2], start_seed)
    # Any place at which the rectangle lies within the image is equally likely.
    starts = tf.cast(places * tf.cast(features.IMAGE_SIZE - sizes + 1, tf.float32), tf.int32)
    pixels = tf.range(features.IMAGE_SIZE)
    inside = (pixels >= starts[..., tf.newaxis]) & (pixels < (starts + sizes)[..., tf.newaxis])
    erased = chosen & inside[:, 0, :, tf.newaxis] & inside[:, 1, tf.newaxis, :]
    return tf.where(erased[..., tf.newaxis], 0.0, images)
