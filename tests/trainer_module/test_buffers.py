from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer_module import buffers


def resident_bytes():
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2), np.float32), ((), np.int64), ((5,), "u1")])
def test_a_growing_array_has_all_that_was_appended(shape, dtype):
    grown = buffers.GrowingArray(shape, dtype)
    parts = [np.arange(n * np.prod(shape, dtype=int)).reshape(n, *shape) for n in (2, 0, 7)]
    parts = [part.astype(dtype) for part in parts]
    for part in parts:
        grown.append(part)
    found = grown.finish()
    assert (found.dtype, found.shape) == (np.dtype(dtype), (9, *shape))
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_a_growing_array_may_stay_empty():
    assert buffers.GrowingArray([4], np.uint8).finish().shape == (0, 4)


def test_a_growing_array_takes_what_is_in_it_and_not_twice_that():
    grown, part = buffers.GrowingArray([1 << 20], np.uint8), np.ones([1, 1 << 20], np.uint8)
    before = resident_bytes()
    for _ in range(200):
        grown.append(part)
        assert resident_bytes() - before < 230 << 20
    assert grown.finish().nbytes == 200 << 20


@pytest.mark.parametrize("shape", [(1000, 7, 3, 1), (50, 1), (1, 4)])
def test_rows_are_reordered_in_place(shape):
    rows = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    order = np.random.default_rng(1).permutation(len(rows))
    expected = rows[order]
    buffers.reorder(rows, order)
    np.testing.assert_array_equal(rows, expected)


def test_a_shared_tensor_lies_where_its_array_lay():
    grown = buffers.GrowingArray([2], np.uint8)
    grown.append(np.ones([4, 2], np.uint8))
    array = grown.finish()
    tensor = buffers.share(array)
    array[3, 1] = 9
    del array, grown
    buffers.release()
    assert tensor.dtype == tf.uint8
    assert tensor.numpy().tolist() == [[1, 1], [1, 1], [1, 1], [1, 9]]


def test_what_was_freed_between_pieces_in_use_goes_back_to_the_machine():
    before = resident_bytes()
    pieces = [bytes(100_000) for _ in range(2000)]
    kept = pieces[::100]
    del pieces
    buffers.release()
    assert resident_bytes() - before < 40 << 20
    assert len(kept) == 20
