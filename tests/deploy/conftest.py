"""A served model, and pictures."""

import io
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer_module import features, preprocessing, signatures


@pytest.fixture
def encode_png() -> Callable[[np.ndarray], bytes]:
    def encode_png(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    return encode_png


class _Transform:
    """Stands in for Transform's output: pixels in 0 to 1."""

    def transform_features_layer(self):
        def transform(raw):
            pngs = raw[features.IMAGE]
            pixels = tf.map_fn(preprocessing.decode_image, pngs, fn_output_signature=tf.uint8)
            return {**raw, features.IMAGE: tf.cast(pixels, tf.float32) / 255}

        return transform

    def raw_feature_spec(self):
        return {
            features.IMAGE: tf.io.FixedLenFeature([], tf.string),
            features.LABEL: tf.io.FixedLenFeature([], tf.int64),
        }


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory) -> str:
    """A SavedModel with the project's own signatures around a network of one layer."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input([28, 28, 1]), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    directory = str(tmp_path_factory.mktemp("model") / "1")
    signatures.export(network, _Transform(), directory)
    return directory
