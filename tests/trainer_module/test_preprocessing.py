import numpy as np
import pytest
import tensorflow as tf

from trainer_module import features, preprocessing


@pytest.fixture(scope="module")
def rows(transformed):
    return transformed[1]


def test_feature_names_do_not_change(rows, transform_output):
    assert set(rows[0]) == {features.IMAGE, features.LABEL}
    assert set(transform_output.transformed_feature_spec()) == {features.IMAGE, features.LABEL}


def test_images_become_float32_of_28_by_28_by_1(rows):
    assert {(row[features.IMAGE].dtype, tuple(row[features.IMAGE].shape)) for row in rows} == {
        (tf.float32, (28, 28, 1))
    }


def test_images_span_0_to_1_over_the_whole_split(rows):
    pixels = np.stack([row[features.IMAGE] for row in rows])
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)


def test_the_range_of_the_pixels_is_that_of_the_train_split(rows, raw_splits):
    images, _ = raw_splits["train"]
    darkest, brightest = int(images.min()), int(images.max())
    assert (darkest, brightest) != (0, 255), "The test needs data that spans another range."
    expected = (np.sort(images.sum(axis=(1, 2))) - 784 * darkest) / (brightest - darkest)
    actual = np.sort([row[features.IMAGE].numpy().sum() for row in rows])
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_labels_stay_with_their_images_unchanged(rows, raw_splits):
    images, labels = raw_splits["train"]
    low, high = float(images.min()), float(images.max())
    expected = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for row in rows:
        assert row[features.LABEL].dtype == tf.int64
        pixels = np.rint(row[features.IMAGE][..., 0] * (high - low) + low).astype(np.uint8)
        assert expected[pixels.tobytes()] == row[features.LABEL]


def test_the_graph_scales_other_data_by_the_range_of_the_train_split(
    transform_output, encode_png, raw_splits
):
    images, _ = raw_splits["train"]
    low, high = float(images.min()), float(images.max())
    pngs = [encode_png(np.full((28, 28), level, np.uint8)) for level in (20, 120, 220)]
    raw = {features.IMAGE: tf.constant(pngs), features.LABEL: tf.constant([0, 1, 2], tf.int64)}
    scaled = transform_output.transform_raw_features(raw)[features.IMAGE]
    expected = (np.array([20, 120, 220]) - low) / (high - low)
    np.testing.assert_allclose(scaled[:, 14, 14, 0], expected, atol=1e-6)


def test_scaling_alone_does_to_pixels_what_the_graph_does_to_their_pngs(
    transform_output, encode_png, raw_splits
):
    images, labels = raw_splits["eval"]
    raw = {features.IMAGE: tf.constant(list(map(encode_png, images))), features.LABEL: labels}
    expected = transform_output.transform_raw_features(raw)[features.IMAGE]
    scaled = preprocessing.load_scaling(transform_output)(tf.constant(images[..., np.newaxis]))
    assert scaled.dtype == tf.float32
    np.testing.assert_array_equal(scaled, expected)


def test_decode_image_returns_the_pixels(encode_png):
    image = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    decoded = preprocessing.decode_image(tf.constant(encode_png(image)))
    assert decoded.dtype == tf.uint8
    np.testing.assert_array_equal(decoded[..., 0], image)


@pytest.mark.parametrize("shape", [(27, 28), (28, 29), (56, 56), (14, 56), (784, 1)])
def test_decode_image_refuses_an_image_of_another_size(encode_png, shape):
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(tf.constant(encode_png(np.zeros(shape, np.uint8))))


@pytest.mark.parametrize("content", [b"", b"no PNG", b"\x89PNG\r\n\x1a\n"])
def test_decode_image_refuses_bytes_that_are_no_png(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(tf.constant(content))


def test_decode_image_refuses_a_png_cut_off_in_the_middle(encode_png):
    png = encode_png(np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(tf.constant(png[: len(png) // 2]))


def test_one_damaged_image_fails_the_analysis(transform, encode_png, tmp_path):
    good = {features.IMAGE: encode_png(np.zeros((28, 28), np.uint8)), features.LABEL: 0}
    bad = {features.IMAGE: b"no PNG", features.LABEL: 0}
    with pytest.raises(Exception, match=r"(?i)png|image"):
        transform([good, bad], tmp_path)
