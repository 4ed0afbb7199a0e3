import numpy as np
import pytest
import tensorflow as tf

from components.model_formats.source import SourceError, read_source
from tests import served_model


def operations(function):
    concrete = function.get_concrete_function(tf.TensorSpec([None, 28, 28, 1], tf.float32))
    return {operation.type for operation in concrete.graph.get_operations()}


def test_network_behind_factor_and_offset_answers_as_the_version_does(version, test_set):
    source = read_source(version)
    found = source.classify(tf.constant(test_set.images))["probabilities"].numpy()
    np.testing.assert_allclose(found, source.answer(test_set.images), atol=1e-5)
    assert (source.scale, source.offset) == (pytest.approx(1 / 255), 0)


def test_network_has_neither_assertions_nor_text_nor_variables(version):
    found = operations(read_source(version).network)
    assert {"Conv2D", "Softmax"} <= found
    assert not found & {"Assert", "GatherV2", "ReadVariableOp", "StatefulPartitionedCall", "While"}


def test_images_that_are_recorded_are_at_hand(version, official):
    np.testing.assert_array_equal(read_source(version).images, official[0].images[:64])


def test_range_that_the_training_images_span_is_the_scaling(tmp_path):
    served_model.export(tmp_path / "1", scale=lambda pixels: (pixels - 20) / 200)
    source = read_source(tmp_path / "1")
    assert (source.scale, source.offset) == (pytest.approx(1 / 200), pytest.approx(-0.1))
    images = np.random.default_rng(1).integers(0, 256, [5, 28, 28], np.uint8)
    found = source.classify(tf.constant(images))["probabilities"].numpy()
    np.testing.assert_allclose(found, source.answer(images), atol=1e-5)


def test_scaling_that_branches_by_its_data_is_left_out_of_the_network(tmp_path):
    # As in Transform's own: operations that no converter makes integers of.
    def scale(pixels):
        flat = tf.cast(tf.zeros_like(pixels) + 1, tf.bool)
        return tf.where(flat, pixels / 255, tf.sigmoid(pixels)) * 1.0 + 0.0

    served_model.export(tmp_path / "1", scale=scale)
    found = operations(read_source(tmp_path / "1").network)
    assert not found & {"SelectV2", "Sigmoid", "ZerosLike", "Cast"}


def test_scaling_that_is_no_factor_and_offset_is_refused(tmp_path):
    served_model.export(tmp_path / "1", scale=lambda pixels: tf.sqrt(pixels / 255))
    with pytest.raises(SourceError, match="not one factor and one offset"):
        read_source(tmp_path / "1")


class Version(tf.Module):
    """Signatures of another make."""

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, name="images")])
    def through_png(self, images):
        pngs = tf.map_fn(tf.io.encode_png, images[..., tf.newaxis], fn_output_signature=tf.string)
        return {"probabilities": self._classify(self._decode(pngs))}

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, name="images")])
    def of_more_than_the_image(self, images):
        probabilities = self._classify(tf.cast(images[..., tf.newaxis], tf.float32) / 255)
        return {"probabilities": probabilities + tf.cast(images[:, 0, :1], tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, name="images")])
    def of_another_image(self, images):
        return {"probabilities": self._classify(tf.cast(images[..., tf.newaxis], tf.float32) / 100)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform(self, examples):
        pngs = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
        return {"image": self._decode(pngs["image"])}

    def _decode(self, pngs):
        pixels = tf.map_fn(
            lambda png: tf.ensure_shape(tf.io.decode_png(png, 1), [28, 28, 1]),
            pngs,
            fn_output_signature=tf.uint8,
        )
        return tf.cast(pixels, tf.float32) / 255

    def _classify(self, images):
        return tf.nn.softmax(tf.reduce_sum(images, 2)[:, :10, 0])

    def save(self, directory, **signatures):
        tf.saved_model.save(self, str(directory), signatures)
        return directory


def test_version_whose_pixels_go_through_a_png_is_cut_behind_it(tmp_path):
    version = Version()
    directory = version.save(
        tmp_path / "1", predict_images=version.through_png, transform_features=version.transform
    )
    source = read_source(directory)
    images = np.random.default_rng(1).integers(0, 256, [5, 28, 28], np.uint8)
    found = source.classify(tf.constant(images))["probabilities"].numpy()
    np.testing.assert_allclose(found, source.answer(images), atol=1e-5)
    assert not operations(source.network) & {"EncodePng", "DecodePng", "While", "StatelessWhile"}
    assert source.images.shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("of_more_than_the_image", "takes more than the transformed image"),
        ("of_another_image", "holds nowhere what transform_features answers"),
    ],
)
def test_version_that_can_not_be_cut_is_refused(tmp_path, signature, reason):
    version = Version()
    directory = version.save(
        tmp_path / "1",
        predict_images=getattr(version, signature),
        transform_features=version.transform,
    )
    with pytest.raises(SourceError, match=reason):
        read_source(directory)


@pytest.mark.parametrize("lacking", ["predict_images", "transform_features"])
def test_version_without_a_signature_is_refused_by_its_name(tmp_path, lacking):
    version = Version()
    signatures = {
        "predict_images": version.through_png,
        "transform_features": version.transform,
    }
    del signatures[lacking]
    with pytest.raises(SourceError, match=f"no signature {lacking}"):
        read_source(version.save(tmp_path / "1", **signatures))
