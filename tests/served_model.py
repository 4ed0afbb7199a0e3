"""A SavedModel with the project's own signatures around a network of one layer."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from trainer_module import features, preprocessing, signatures, warmup

SIZE = features.IMAGE_SIZE


def export(
    directory: Path,
    network: Callable | None = None,
    images: np.ndarray | None = None,
    scale: Callable[[tf.Tensor], tf.Tensor] = lambda pixels: pixels / 255,
) -> None:
    """Writes the model with its warm-up requests, without Transform, which takes ten seconds.

    `network` is another one: from float32 [N, SIZE, SIZE, 1] to float32 [N, NUM_CLASSES].
    `images`, uint8 [N, SIZE, SIZE], go into the requests instead of black ones. `scale` is what
    the transform does.
    """
    network = network or _make_network()
    with tempfile.TemporaryDirectory() as graph_directory:
        tf.saved_model.save(_Transform(scale), graph_directory)
        transform_output = SimpleNamespace(
            transform_savedmodel_dir=graph_directory,
            transform_features_layer=lambda: _Transform(scale),
            raw_feature_spec=lambda: {
                features.IMAGE: tf.io.FixedLenFeature([], tf.string),
                features.LABEL: tf.io.FixedLenFeature([], tf.int64),
            },
        )
        signatures.export(network, transform_output, str(directory))
    if images is None:
        images = np.zeros([3, SIZE, SIZE], np.uint8)
    warmup.write_warmup(directory, [warmup.make_example(image) for image in images])


def _make_network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input([SIZE, SIZE, 1]),
            keras.layers.Flatten(),
            keras.layers.Dense(features.NUM_CLASSES, "softmax"),
        ]
    )


class _Transform(tf.Module):
    """Has a graph as Transform writes it: PNGs to pixels in 0 to 1."""

    def __init__(self, scale):
        super().__init__()
        self._scale = scale
        self.transform_fn = tf.function(self.__call__, autograph=False).get_concrete_function(
            {
                features.IMAGE: tf.TensorSpec([None], tf.string),
                features.LABEL: tf.TensorSpec([None], tf.int64),
            }
        )

    def __call__(self, raw):
        decoded = tf.map_fn(
            preprocessing.decode_image, raw[features.IMAGE], fn_output_signature=tf.uint8
        )
        pixels = tf.identity(decoded, name="pixels")
        return {**raw, features.IMAGE: self._scale(tf.cast(pixels, tf.float32))}
