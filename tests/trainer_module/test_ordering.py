import random

import numpy as np
import pytest
import tensorflow as tf

from trainer_module import features, ordering


@pytest.fixture
def packed():
    """Examples of any bytes and lengths, more than a reading batch, some of them twice."""
    source = random.Random(4)
    images = [source.randbytes(source.randrange(40)) + b"\0" for _ in range(1500)]
    examples = [ordering.pack(image, source.randrange(-3, 10)) for image in images]
    return [*examples, *examples[:100]]


@pytest.mark.parametrize("label", [0, 9, -1, 2**40])
def test_what_is_packed_is_unpacked(label):
    images = [b"", b"\0\0", b"\x89PNG\r\n\x1a\n", b"ends with zero\0"]
    unpacked = ordering.unpack(tf.constant([ordering.pack(image, label) for image in images]))
    assert unpacked[features.IMAGE].numpy().tolist() == images
    assert unpacked[features.LABEL].dtype == tf.int64
    assert unpacked[features.LABEL].numpy().tolist() == [label] * len(images)


def test_key_depends_on_image_and_label():
    examples = {ordering.pack(image, label) for image in (b"", b"a", b"\0") for label in range(10)}
    assert len({ordering.key(one) for one in examples}) == len(examples) == 30


def test_file_is_sorted_whole_and_alone_in_its_directory(packed, tmp_path):
    file, count = ordering.sort_to_file(iter(packed), tmp_path)
    assert count == len(packed)
    found = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    assert found == sorted(packed, key=ordering.key)
    assert list(tmp_path.iterdir()) == [file]


def test_no_bucket_holds_much_of_a_large_split(packed, tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(
        ordering, "sorted", lambda some, key: held.append(list(some)) or held[-1], raising=False
    )
    ordering.sort_to_file(packed, tmp_path)
    assert max(map(len, held)) < len(packed) / 20


@pytest.mark.parametrize("count", [1, 7, 100])
def test_first_examples_are_the_same_in_whatever_order_they_come(to_example, count):
    examples = [to_example(np.random.default_rng(n).bytes(20), n % 10) for n in range(60)]
    first = ordering.first_examples(iter(examples), count)
    assert len(first) == min(count, 60)
    assert first == ordering.first_examples(reversed(examples), count)
    assert first == ordering.first_examples(examples, 60)[:count]
    assert first != examples[:count]
