"""Memory of known size: arrays that grow in place, tensors that share them, and what is given back.

Linux alone is asked for, as everywhere in this project.
"""

import ctypes
import gc
import mmap
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike

_FIRST_BYTES = 1 << 20
_STRIPS = 16


class GrowingArray:
    """Rows that are appended to one array, which grows without being copied.

    Pages of memory that were not written to are not taken from the machine, and growing moves
    no bytes but lets the kernel map the same pages elsewhere: an array takes what is in it,
    also while it is made, and not twice that.
    """

    def __init__(self, row_shape: Sequence[int], dtype: DTypeLike) -> None:
        """Is empty.

        Args:
            row_shape: of each row.
            dtype: of its values.
        """
        self._row_shape, self._dtype = tuple(row_shape), np.dtype(dtype)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory, self._used = mmap.mmap(-1, _FIRST_BYTES, flags=flags), 0

    def append(self, rows: np.ndarray) -> None:
        """Adds rows: [N, *row_shape], of the array's dtype."""
        end = self._used + rows.nbytes
        if end > len(self._memory):
            self._memory.resize(max(end, 2 * len(self._memory)))
        self._memory[self._used : end] = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        self._used = end

    def finish(self) -> np.ndarray:
        """Returns the array, [N, *row_shape], which begins at a page and takes no more rows."""
        if self._used:
            self._memory.resize(self._used)
        count = self._used // (self._dtype.itemsize * int(np.prod(self._row_shape)))
        whole = np.frombuffer(self._memory, self._dtype, self._used // self._dtype.itemsize)
        return whole.reshape(count, *self._row_shape)


def reorder(rows: np.ndarray, order: np.ndarray) -> None:
    """Puts rows into an order in place, strip by strip, so that no second array is needed.

    Args:
        rows: [N, …], contiguous, N > 0.
        order: int64 [N], the numbers of the rows as they are to come.
    """
    flat = rows.reshape(len(rows), -1)
    for strip in np.array_split(np.arange(flat.shape[1]), _STRIPS):
        if strip.size:
            columns = np.s_[strip[0] : strip[-1] + 1]
            flat[:, columns] = flat[order, columns]


def share(array: np.ndarray) -> tf.Tensor:
    """Makes a tensor of an array, in the same memory where that lies as tensors do.

    Args:
        array: contiguous and writable; nobody may write to it from here on.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def release() -> None:
    """Gives back to the machine what nobody uses any more.

    TensorFlow's graphs refer to themselves and to the tensors that they take, so that a split stays
    until garbage is collected; and the C library keeps what was freed between two pieces in use.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    # Of glibc alone.
    if trim:
        trim(0)
