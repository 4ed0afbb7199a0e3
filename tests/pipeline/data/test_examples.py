import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.data import examples
from trainer_module import features

FLAT = np.full((28, 28), 7, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)


@pytest.mark.parametrize("label", [0, 9, 127, 128, 300])
@pytest.mark.parametrize("image", [FLAT, NOISE], ids=["flat", "noise"])
def test_an_example_has_the_bytes_that_tensorflow_gives_it(image, label, encode_png):
    png = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encode_png(image)]))
    number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    feature = {features.LABEL: number, features.IMAGE: png}
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    assert examples.to_example(image, label) == message.SerializeToString(deterministic=True)


def test_an_example_holds_the_pixels_and_the_label():
    example = tf.train.Example.FromString(examples.to_example(NOISE, 3)).features.feature
    [png] = example[features.IMAGE].bytes_list.value
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), NOISE)
    assert list(example[features.LABEL].int64_list.value) == [3]
