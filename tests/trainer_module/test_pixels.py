import numpy as np
import pytest
import tensorflow as tf

from trainer_module import pixels

EVERY = np.arange(256, dtype=np.uint8)


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(
        np.asarray(found).view(np.uint32), np.asarray(expected).view(np.uint32)
    )


def scale_within_a_dataset(scale):
    """Scales every value as the batches are, in a graph that TensorFlow optimizes."""
    [found] = tf.data.Dataset.from_tensors(EVERY).map(scale).as_numpy_iterator()
    return found


def test_the_table_is_what_the_transform_graph_makes_of_each_value(transform_output, raw_splits):
    images, _ = raw_splits["train"]
    low, high = (np.float32(edge(images)) for edge in (np.min, np.max))
    table = pixels.tabulate(transform_output)
    np.testing.assert_allclose(table, (EVERY - low) / (high - low), atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (0, 7), (20, 220), (3, 254)])
def test_a_division_has_the_bits_of_its_table(low, high):
    table = (EVERY.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    scale = pixels.make_scale(tf.constant(table))
    assert_same_bits(scale_within_a_dataset(scale), table)


def test_dividing_by_255_is_told_from_multiplying_by_its_inverse():
    exact = EVERY.astype(np.float32) / np.float32(255)
    near = EVERY.astype(np.float32) * (np.float32(1) / np.float32(255))
    assert (exact != near).any()
    for table in (exact, near):
        assert_same_bits(scale_within_a_dataset(pixels.make_scale(tf.constant(table))), table)


@pytest.mark.parametrize(
    "table",
    [
        np.sqrt(EVERY, dtype=np.float32),
        np.zeros(256, np.float32),
        255 - EVERY.astype(np.float32),
        np.random.default_rng(0).normal(size=256).astype(np.float32),
        np.full(256, np.nan, np.float32),
    ],
    ids=["root", "constant", "inverted", "random", "nan"],
)
def test_any_other_table_is_looked_up(table):
    assert_same_bits(scale_within_a_dataset(pixels.make_scale(tf.constant(table))), table)


def test_scaling_keeps_the_shape():
    scale = pixels.make_scale(tf.constant(EVERY / np.float32(255)))
    assert scale(tf.zeros([3, 28, 28, 1], tf.uint8)).shape == (3, 28, 28, 1)


def test_a_table_agrees_with_images_of_its_very_bits_alone():
    table = tf.constant(EVERY / np.float32(255))
    some = tf.constant(EVERY.reshape(4, 8, 8, 1))
    images = pixels.look_up(table, some).numpy()
    assert pixels.agrees(table, some, tf.constant(images))
    images[2, 3, 4] = np.nextafter(images[2, 3, 4], 1)
    assert not pixels.agrees(table, some, tf.constant(images))
