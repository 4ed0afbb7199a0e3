"""The serving signatures: the exported model takes raw examples or bare pixels."""

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainer_module import features, served
from trainer_module.preprocessing import load_scaling

_SIZE = features.IMAGE_SIZE
_EXAMPLES = tf.TensorSpec([None], tf.string, name=served.EXAMPLES)
_IMAGES = tf.TensorSpec([None, _SIZE, _SIZE], tf.uint8, name=served.IMAGES)


class ServingModel:
    """A trained model behind the transform graph, as functions to export."""

    def __init__(self, model: keras.Model, transform_output: tft.TFTransformOutput) -> None:
        """Binds a trained model to the transform graph it was trained behind.

        Args:
            model: from float32 [N, 28, 28, 1] to float32 [N, 10] probabilities.
            transform_output: what Transform exported.
        """
        self.transform_layer = transform_output.transform_features_layer()
        self._model = model
        self._scale = load_scaling(transform_output)
        self._raw_spec = transform_output.raw_feature_spec()

    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies serialized `tf.Example`s (string [N], N > 0); they need no label."""
        examples = _refuse_empty(examples)
        spec = {features.IMAGE: self._raw_spec[features.IMAGE]}
        raw = tf.io.parse_example(examples, spec)
        return self._classify(self.transform_layer(raw)[features.IMAGE])

    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies bare pixels (uint8 [N, 28, 28], N > 0)."""
        # A server hands over what it gets, and some kernels end the process on another rank.
        images = tf.ensure_shape(_refuse_empty(images), _IMAGES.shape)
        return self._classify(self._scale(images[..., tf.newaxis]))

    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Transforms labelled, serialized `tf.Example`s (string [N], N > 0) as for training.

        Labels stay as they are, also such as are no class: one of them would refuse a whole batch,
        and the schema already makes an anomaly of it where data comes in.
        """
        examples = _refuse_empty(examples)
        return self.transform_layer(tf.io.parse_example(examples, self._raw_spec))

    def _classify(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` float32 [N, 10], `label` int64 [N], `class_name` string [N]."""
        probabilities = self._model(images, training=False)
        label = tf.argmax(probabilities, axis=1)
        return {
            served.PROBABILITIES: probabilities,
            features.LABEL: label,
            served.CLASS_NAME: tf.gather(tf.constant(features.CLASS_NAMES), label),
        }


def _refuse_empty(batch: tf.Tensor) -> tf.Tensor:
    # An empty answer would hide that a caller lost its request.
    check = tf.debugging.assert_positive(tf.shape(batch)[0], "the batch is empty")
    # What follows waits for the check: some kernels fail on no images too, and say less.
    with tf.control_dependencies([check]):
        return tf.identity(batch)


def export(model: keras.Model, transform_output: tft.TFTransformOutput, directory: str) -> None:
    """Writes the SavedModel with its signatures; it loads with plain TensorFlow.

    Args:
        model: the trained model.
        transform_output: what Transform exported.
        directory: where the SavedModel goes.
    """
    serving = ServingModel(model, transform_output)
    # Not by tf.saved_model.save on a module that holds the model: of a Keras 3 model that tracks
    # other variables than the signatures read, which only Python's loader makes up for, and the
    # optimizer's as well. The archive tracks just those that the signatures read.
    archive = keras.export.ExportArchive()
    # For tables of a vocabulary, which the archive does not find by itself.
    archive.track(serving.transform_layer)
    archive.add_endpoint(served.SERVING_DEFAULT, serving.serve_examples, [_EXAMPLES])
    archive.add_endpoint(served.PREDICT_IMAGES, serving.serve_images, [_IMAGES])
    archive.add_endpoint(served.TRANSFORM_FEATURES, serving.transform_features, [_EXAMPLES])
    archive.write_out(directory, verbose=False)
