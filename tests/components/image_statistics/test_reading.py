import numpy as np
import pytest
import tensorflow as tf

from components.image_statistics import reading
from components.image_statistics.labels import NO_LABEL
from tests.components.image_statistics.conftest import (
    draw_image,
    encode,
    make_example,
    spoil,
    write_file,
)


def parse(*examples):
    return reading.parse(tf.constant(examples))


def test_sound_examples_are_decoded():
    images = [draw_image(seed) for seed in range(3)]
    batch = parse(*(make_example(image, label) for label, image in enumerate(images)))
    np.testing.assert_array_equal(batch.images, images)
    assert batch.labels.tolist() == [0, 1, 2]
    assert batch.decoded.all()


@pytest.mark.parametrize(
    "damaged",
    [
        spoil(encode(draw_image(1))),
        encode(draw_image(1))[:-30],
        encode(draw_image(1)[:27]),
        b"GIF89a",
        b"",
    ],
    ids=["broken pixels", "cut off", "another size", "no PNG", "nothing"],
)
def test_an_image_that_cannot_be_decoded_does_not_hide_its_neighbours(damaged):
    image = draw_image(0)
    batch = parse(make_example(image, 4), make_example(damaged, 5), make_example(image, 6))
    assert batch.decoded.tolist() == [True, False, True]
    np.testing.assert_array_equal(batch.images, [image, np.zeros_like(image), image])
    assert batch.labels.tolist() == [4, 5, 6]
    assert batch.pngs == [encode(image), damaged, encode(image)]


def test_what_an_example_lacks_is_told_from_what_it_has():
    batch = parse(make_example(None, 3), make_example(draw_image(0), None))
    assert batch.decoded.tolist() == [False, True]
    assert batch.labels.tolist() == [3, NO_LABEL]


def test_a_file_is_read_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_READ_BATCH", 2)
    examples = [make_example(draw_image(seed), seed) for seed in range(5)]
    write_file(tmp_path / "data.gz", examples)
    found = [batch.numpy().tolist() for batch in reading.read_serialized(str(tmp_path / "data.gz"))]
    assert found == [examples[:2], examples[2:4], examples[4:]]
