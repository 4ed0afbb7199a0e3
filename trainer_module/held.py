"""Examples held in memory, each once: as bytes of pixels where they may be, or as floats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from trainer_module import buffers, features, ordering

SHAPE = (features.IMAGE_SIZE, features.IMAGE_SIZE, 1)
"""Of an image."""

LABEL_BYTES = np.dtype(np.int64).itemsize
"""Of a label."""


def example_bytes(dtype: tf.DType) -> int:
    """Memory that an example takes: pixels of a type, label and key."""
    return int(np.prod(SHAPE)) * dtype.size + LABEL_BYTES + ordering.KEY_BYTES


MOST_EXAMPLE_BYTES = example_bytes(tf.float32)
"""Memory that an example takes at most: where the transform graph leaves no choice but floats."""


@dataclass(frozen=True)
class Batch:
    """Some examples, transformed.

    Attributes:
        keys: uint8 [N, 16], by which they are ordered.
        pixels: uint8 [N, 28, 28, 1], or images, float32 of that shape.
        labels: int64 [N].
    """

    keys: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray

    def to_rows(self) -> np.ndarray:
        """Puts each example into a row of bytes, uint8 [N, W], its key first."""
        parts = (self.keys, self.labels, self.pixels)
        return np.hstack([one.reshape(len(one), -1).view(np.uint8) for one in parts])


class Held:
    """Examples in memory, in the order in which they were read.

    Attributes:
        size: how many.
    """

    def __init__(self, dtype: tf.DType) -> None:
        """Holds none; `dtype` is that of the pixels, uint8 or float32."""
        self._keys = buffers.GrowingArray([ordering.KEY_BYTES], np.uint8)
        self._pixels = buffers.GrowingArray(SHAPE, dtype.as_numpy_dtype)
        self._labels = buffers.GrowingArray([], np.int64)
        self.size = 0

    def append(self, batch: Batch) -> None:
        """Adds some."""
        self._keys.append(batch.keys)
        self._pixels.append(batch.pixels)
        self._labels.append(batch.labels)
        self.size += len(batch.labels)

    def sort(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns pixels and labels in order; nothing can be added any more.

        Returns:
            uint8 or float32 [N, 28, 28, 1], and int64 [N].
        """
        order = ordering.sort_keys(self._keys.finish())
        kept, labels = self._pixels.finish(), self._labels.finish()
        buffers.reorder(kept, order)
        return buffers.share(kept), tf.constant(labels[order])

    def give_up(self, size: int) -> Iterator[Batch]:
        """Returns what is held, so many examples at a time, and holds nothing after the last."""
        columns = (self._keys.finish(), self._pixels.finish(), self._labels.finish())
        del self._keys, self._pixels, self._labels
        for start in range(0, self.size, size):
            yield Batch(*(column[start : start + size] for column in columns))
