"""Models that behave in ways a check must tell apart, exported by plain TensorFlow."""

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from trainer_module import features

IMAGE = "picture"
"""Another name than ours: nothing of the check goes by the project's names."""


def _decode(examples):
    raw = tf.io.parse_example(examples, {IMAGE: tf.io.FixedLenFeature([], tf.string)})
    return tf.map_fn(
        lambda png: tf.ensure_shape(tf.io.decode_png(png, 1), [28, 28, 1])[..., 0],
        raw[IMAGE],
        fn_output_signature=tf.uint8,
    )


class Model(tf.Module):
    """Answers the mean brightness; each fault is a method's."""

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(1 / 255)

    def _answer(self, pixels):
        tf.debugging.assert_positive(tf.shape(pixels)[0], "empty")
        brightness = tf.reduce_mean(tf.cast(pixels, tf.float32), [1, 2]) * self.scale
        return {
            "probabilities": tf.stack([brightness, 1 - brightness], 1),
            "class_name": tf.where(brightness > 0.5, "bright", "dark"),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def sound(self, examples):
        return self._answer(_decode(examples))

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, name="images")])
    def pixels(self, images):
        return self._answer(tf.ensure_shape(images, [None, 28, 28]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def credulous(self, examples):
        count = tf.shape(examples)[0]
        return {
            "probabilities": tf.fill([count, 2], 0.5),
            "class_name": tf.fill([count], "dark"),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def not_a_number(self, examples):
        answer = self._answer(_decode(examples))
        return {**answer, "probabilities": answer["probabilities"] * float("nan")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def failing(self, examples):
        tf.debugging.assert_less(tf.size(examples), 1, "the loom broke")
        return self._answer(_decode(examples))


class KerasHolder(tf.Module):
    """Answers by a Keras model that it holds, which `tf.saved_model.save` does not get right.

    Of a Keras 3 model it tracks other variables than the signatures read:
    https://github.com/keras-team/keras/issues/20095
    """

    def __init__(self):
        super().__init__()
        self.network = keras.Sequential(
            [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(2, name="dense")]
        )

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, name="images")])
    def pixels(self, images):
        tf.debugging.assert_positive(tf.shape(images)[0], "empty")
        images = tf.ensure_shape(images, [None, 28, 28])
        return {"probabilities": self.network(tf.cast(images, tf.float32))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def sound(self, examples):
        return self.pixels(_decode(examples))


@pytest.fixture(scope="session")
def not_for_servers(tmp_path_factory) -> Path:
    """A model that Python's loader can run and a server's can't."""
    directory = tmp_path_factory.mktemp("model") / "model"
    holder = KerasHolder()
    tf.saved_model.save(
        holder,
        str(directory),
        signatures={"serving_default": holder.sound, "predict_images": holder.pixels},
    )
    return directory


@pytest.fixture(scope="session")
def export(tmp_path_factory) -> Callable[..., Path]:
    """Exports methods of the model as signatures: `export(serving_default="sound")`."""

    def export(**signatures: str) -> Path:
        directory = tmp_path_factory.mktemp("model") / "model"
        model = Model()
        named = {name: getattr(model, method) for name, method in signatures.items()}
        tf.saved_model.save(model, str(directory), signatures=named)
        return directory

    return export


@pytest.fixture(scope="session")
def make_example() -> Callable[[int], bytes]:
    """Makes a serialized example of an even brightness."""

    def make_example(brightness: int) -> bytes:
        png = tf.io.encode_png(tf.fill([28, 28, 1], tf.cast(brightness, tf.uint8))).numpy()
        example = tf.train.Example()
        example.features.feature[IMAGE].bytes_list.value.append(png)
        example.features.feature[features.LABEL].int64_list.value.append(brightness % 10)
        return example.SerializeToString()

    return make_example
