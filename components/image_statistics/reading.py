"""Reads raw examples in batches, and decodes their images, also where some are damaged."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components.image_statistics.labels import NO_LABEL
from trainer_module import features, preprocessing

_READ_BATCH = 4096

_SHAPE = (features.IMAGE_SIZE, features.IMAGE_SIZE)


@dataclass(frozen=True)
class Batch:
    """Examples.

    Attributes:
        pngs: bytes, as they were stored; empty where an example has no image, or several.
        labels: int64 [N], or `NO_LABEL`.
        images: uint8 [N, 28, 28]; black where it can't be decoded, or has another size.
        decoded: bool [N], whether it could be.
    """

    pngs: list[bytes]
    labels: np.ndarray
    images: np.ndarray
    decoded: np.ndarray


def read_serialized(file: str) -> Iterator[tf.Tensor]:
    """Reads a file of gzipped TFRecords once, in batches of serialized examples, string [N]."""
    yield from tf.data.TFRecordDataset(file, "GZIP").batch(_READ_BATCH)


def parse(examples: tf.Tensor) -> Batch:
    """Takes serialized examples (string [N]) apart, and decodes their images."""
    pngs, labels = parse_stored(examples)
    images, decoded = _decode(pngs)
    return Batch(pngs.tolist(), labels, images, decoded)


def parse_stored(examples: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Takes serialized examples (string [N]) apart, and decodes nothing.

    Returns:
        PNGs, bytes [N], and labels, int64 [N], as `Batch` has them.
    """
    spec = {
        features.IMAGE: tf.io.RaggedFeature(tf.string),
        features.LABEL: tf.io.RaggedFeature(tf.int64),
    }
    parsed = tf.io.parse_example(examples, spec)
    return _single(parsed[features.IMAGE], b""), _single(parsed[features.LABEL], NO_LABEL)


def _single(values: tf.RaggedTensor, other: object) -> np.ndarray:
    """The values [N] of rows that have one; of the rest, another."""
    lengths = values.row_lengths().numpy()
    flat = values.values.numpy()
    if (lengths == 1).all():
        return flat
    found = np.full(len(lengths), other, flat.dtype)
    found[lengths == 1] = flat[values.row_starts().numpy()[lengths == 1]]
    return found


def _decode(pngs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of PNGs (bytes [N]), and which of them can be decoded, as `Batch` has them."""
    try:
        return _decode_all(tf.constant(pngs, tf.string)).numpy(), np.ones(len(pngs), bool)
    except tf.errors.InvalidArgumentError:
        # Of one: each by itself, which takes four times as long.
        found = [_try_to_decode(png) for png in pngs]
    black = np.zeros(_SHAPE, np.uint8)
    images = np.stack([black if one is None else one for one in found])
    return images, np.array([one is not None for one in found])


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def _decode_all(pngs: tf.Tensor) -> tf.Tensor:
    return preprocessing.decode_images(pngs)[..., 0]


def _try_to_decode(png: bytes) -> np.ndarray | None:
    try:
        return preprocessing.decode_image(png).numpy()[..., 0]
    except tf.errors.InvalidArgumentError:
        return None
