from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer_module import held, ordering

KINDS = pytest.mark.parametrize("dtype", [tf.uint8, tf.float32])


@pytest.fixture
def make_batches():
    """Takes a type; returns three batches of examples, of which no two are the same."""

    def make_batches(dtype):
        random = np.random.default_rng(0)
        return [
            held.Batch(
                random.integers(0, 256, [count, ordering.KEY_BYTES], np.uint8),
                random.integers(0, 256, [count, *held.SHAPE]).astype(dtype.as_numpy_dtype),
                random.integers(0, 10, count),
            )
            for count in (5, 7, 3)
        ]

    return make_batches


@pytest.fixture
def hold(make_batches):
    """Takes a type; returns what holds these batches."""

    def hold(dtype):
        examples = held.Held(dtype)
        for batch in make_batches(dtype):
            examples.append(batch)
        return examples

    return hold


@KINDS
def test_examples_are_sorted_by_their_keys(hold, make_batches, dtype):
    batches = make_batches(dtype)
    keys, pixels, labels = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("keys", "pixels", "labels")
    )
    order = sorted(range(15), key=lambda index: bytes(keys[index]))
    found, found_labels = hold(dtype).sort()
    assert (found.dtype, found_labels.dtype) == (dtype, tf.int64)
    np.testing.assert_array_equal(found, pixels[order])
    np.testing.assert_array_equal(found_labels, labels[order])


@KINDS
def test_what_is_given_up_is_what_was_held(hold, make_batches, dtype):
    examples = hold(dtype)
    assert examples.size == 15
    rows = [batch.to_rows() for batch in examples.give_up(4)]
    assert [len(part) for part in rows] == [4, 4, 4, 3]
    expected = np.concatenate([batch.to_rows() for batch in make_batches(dtype)])
    np.testing.assert_array_equal(np.concatenate(rows), expected)


@KINDS
def test_a_row_has_key_label_and_pixels(make_batches, dtype):
    batch, *_ = make_batches(dtype)
    row = batch.to_rows()[2].tobytes()
    assert row == b"".join(one[2].tobytes() for one in (batch.keys, batch.labels, batch.pixels))
    assert len(row) == held.example_bytes(dtype)


def test_holding_and_sorting_takes_little_more_than_what_is_held():
    batch = held.Batch(
        np.random.default_rng(0).integers(0, 256, [10_000, ordering.KEY_BYTES], np.uint8),
        np.ones([10_000, *held.SHAPE], np.uint8),
        np.zeros(10_000, np.int64),
    )
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    examples = held.Held(tf.uint8)
    for _ in range(40):
        examples.append(batch)
    pixels, labels = examples.sort()
    assert len(pixels) == len(labels) == 400_000
    taken = 400_000 * held.example_bytes(tf.uint8)
    assert taken * 0.9 < peak_bytes() - before < taken * 1.2


def peak_bytes():
    """Resident memory at most, since it was set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) * 1024
