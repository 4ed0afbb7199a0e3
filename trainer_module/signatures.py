"""The serving signatures: the exported model takes raw examples or bare pixels."""

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainer_module import features


class ServingModel(tf.Module):
    """The model together with the transform graph, as it is exported.

    The SavedModel holds everything it needs: it loads with plain TensorFlow.
    """

    def __init__(self, model: keras.Model, transform_output: tft.TFTransformOutput):
        """Binds a trained model to the transform graph it was trained behind.

        Args:
            model: from float32 [N, 28, 28, 1] to float32 [N, 10] probabilities.
            transform_output: what Transform exported.
        """
        super().__init__()
        self.model = model
        self.transform_layer = transform_output.transform_features_layer()
        self.class_names = tf.constant(features.CLASS_NAMES)
        self._raw_spec = transform_output.raw_feature_spec()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies serialized `tf.Example`s (string [N], N > 0); they need no label."""
        examples = _refuse_empty(examples)
        spec = {features.IMAGE: self._raw_spec[features.IMAGE]}
        return self._classify(tf.io.parse_example(examples, spec))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, features.IMAGE_SIZE, features.IMAGE_SIZE], tf.uint8, name="images")
        ]
    )
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies bare pixels (uint8 [N, 28, 28], N > 0)."""
        images = _refuse_empty(images)
        # Through PNG, which loses nothing, so that the one transform graph serves both.
        pngs = tf.map_fn(tf.io.encode_png, images[..., tf.newaxis], fn_output_signature=tf.string)
        return self._classify({features.IMAGE: pngs})

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Transforms labelled, serialized `tf.Example`s (string [N], N > 0) as for training."""
        examples = _refuse_empty(examples)
        return self.transform_layer(tf.io.parse_example(examples, self._raw_spec))

    def _classify(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`probabilities` float32 [N, 10], `label` int64 [N], `class_name` string [N]."""
        images = self.transform_layer(raw)[features.IMAGE]
        probabilities = self.model(images, training=False)
        label = tf.argmax(probabilities, axis=1)
        return {
            "probabilities": probabilities,
            features.LABEL: label,
            "class_name": tf.gather(self.class_names, label),
        }


def _refuse_empty(batch: tf.Tensor) -> tf.Tensor:
    # An empty answer would hide that a caller lost its request.
    check = tf.debugging.assert_positive(tf.shape(batch)[0], "the batch is empty")
    # What follows waits for the check: some kernels fail on no images too, and say less.
    with tf.control_dependencies([check]):
        return tf.identity(batch)


def export(model: keras.Model, transform_output: tft.TFTransformOutput, directory: str) -> None:
    """Writes the SavedModel with its signatures.

    Args:
        model: the trained model.
        transform_output: what Transform exported.
        directory: where the SavedModel goes.
    """
    serving = ServingModel(model, transform_output)
    tf.saved_model.save(
        serving,
        directory,
        signatures={
            tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: serving.serve_examples,
            "predict_images": serving.serve_images,
            "transform_features": serving.transform_features,
        },
    )
