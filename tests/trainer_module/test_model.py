import keras
import numpy as np
import pytest
from keras import layers

from trainer_module import model


def build(**changes):
    default = {
        "filters": (10, 10),
        "convolutions": 3,
        "padding": "valid",
        "batch_norm": False,
        "dropout": 0.0,
    }
    return model.build_model(**{**default, **changes})


def layers_of(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_the_original_layout_has_4430_parameters():
    assert build().count_params() == 4430


def test_the_tiny_layout_has_14300_parameters():
    count = build(filters=(14, 16), convolutions=4, padding="same", batch_norm=True).count_params()
    assert count == 14_300
    assert count <= 15_000


def test_the_wide_layout_stays_within_250000_parameters():
    count = build(filters=(32, 96), convolutions=4, padding="same", batch_norm=True).count_params()
    assert 15_000 < count <= 250_000


def test_three_convolutions_are_two_in_the_first_block_and_one_in_the_second():
    assert [layer.name for layer in build().layers] == [
        "conv_1_1",
        "relu_1_1",
        "conv_1_2",
        "max_pool_1",
        "relu_1_2",
        "conv_2_1",
        "max_pool_2",
        "relu_2_1",
        "flatten",
        "probabilities",
    ]


def test_four_convolutions_put_the_fourth_into_the_second_block():
    convolutions = layers_of(build(convolutions=4), layers.Conv2D)
    names = [layer.name for layer in convolutions]
    assert names == ["conv_1_1", "conv_1_2", "conv_2_1", "conv_2_2"]


def randomize(network):
    """Gives it weights, biases included, of both signs."""
    random = np.random.default_rng(1)
    network.set_weights([random.normal(0, 0.3, weight.shape) for weight in network.get_weights()])


def test_each_block_computes_convolutions_with_relu_and_then_a_max_pooling():
    network = build(convolutions=4)
    randomize(network)
    images = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    values = images
    for convolution in layers_of(network, layers.Conv2D):
        values = keras.ops.relu(convolution(values))
        if convolution.name.endswith("_2"):
            values = keras.ops.max_pool(values, 2)
    flat = keras.ops.reshape(values, (5, -1))
    dense = network.get_layer("probabilities")
    expected = keras.ops.softmax(keras.ops.matmul(flat, dense.kernel) + dense.bias)
    np.testing.assert_allclose(network(images), expected, rtol=1e-4, atol=1e-6)


def test_batch_norm_comes_between_each_convolution_and_its_activation():
    network = build(convolutions=4, batch_norm=True)
    kinds = (layers.Conv2D, layers.BatchNormalization, layers.ReLU)
    found = [type(layer) for layer in network.layers if isinstance(layer, kinds)]
    assert found == [*kinds] * 4


def test_batch_norm_replaces_the_biases_of_the_convolutions():
    assert not any(one.use_bias for one in layers_of(build(batch_norm=True), layers.Conv2D))
    assert all(one.use_bias for one in layers_of(build(), layers.Conv2D))


def test_batch_norm_normalizes_each_channel_over_the_batch():
    # Of some initial weights a channel hardly varies, and what keeps from dividing by 0 shows.
    keras.utils.set_random_seed(0)
    network = build(batch_norm=True)
    images = np.random.default_rng(0).random((32, 28, 28, 1), np.float32)
    for layer in layers_of(network, layers.BatchNormalization):
        values = keras.Model(network.inputs[0], layer.output)(images, training=True).numpy()
        # A little less than 1: the variance is kept from being zero.
        np.testing.assert_allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-4)
        np.testing.assert_allclose(values.std(axis=(0, 1, 2)), 1, atol=0.1)


def test_batch_norm_settles_within_a_short_training():
    network = build(batch_norm=True)
    images = 5 + np.random.default_rng(0).random((32, 28, 28, 1), np.float32)
    layer = layers_of(network, layers.BatchNormalization)[0]
    convolved = network.get_layer("conv_1_1")(images).numpy()
    for _ in range(50):
        network(images, training=True)
    np.testing.assert_allclose(layer.moving_mean, convolved.mean(axis=(0, 1, 2)), rtol=0.02)


def test_there_is_no_batch_norm_unless_asked_for():
    assert not layers_of(build(), layers.BatchNormalization)


def test_four_convolutions_have_the_parameters_of_cnn_explainer():
    # 100 + 3 convolutions of 910, and 4 × 4 × 10 features into 10 classes.
    assert build(convolutions=4).count_params() == 100 + 3 * 910 + 1610


def sizes(network):
    kinds = (layers.Conv2D, layers.MaxPooling2D)
    return [layer.output.shape[1] for layer in network.layers if isinstance(layer, kinds)]


def test_same_padding_keeps_the_size_up_to_the_poolings():
    network = build(padding="same")
    assert sizes(network) == [28, 28, 14, 14, 7]
    assert network.get_layer("flatten").output.shape[1] == 7 * 7 * 10


def test_valid_padding_loses_two_pixels_a_convolution():
    assert sizes(build()) == [26, 24, 12, 10, 5]


def test_each_block_has_its_own_number_of_filters():
    network = build(filters=[4, 6], convolutions=4)
    assert [layer.filters for layer in layers_of(network, layers.Conv2D)] == [4, 4, 6, 6]


def test_dropout_comes_between_the_features_and_the_softmax():
    network = build(dropout=0.25)
    assert [type(layer) for layer in network.layers[-3:]] == [
        layers.Flatten,
        layers.Dropout,
        layers.Dense,
    ]
    assert network.layers[-2].rate == 0.25


def test_no_dropout_leaves_the_layer_out():
    assert not layers_of(build(dropout=0.0), layers.Dropout)


@pytest.mark.parametrize(
    "changes", [{}, {"convolutions": 4, "padding": "same", "batch_norm": True, "dropout": 0.5}]
)
def test_output_is_a_distribution_over_ten_classes(changes):
    images = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    probabilities = build(**changes)(images).numpy()
    assert probabilities.shape == (5, 10)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_an_unknown_number_of_convolutions_is_an_error():
    with pytest.raises(KeyError):
        build(convolutions=5)


def test_filters_are_needed_for_both_blocks():
    with pytest.raises(ValueError, match="zip"):
        build(filters=[10])


@pytest.mark.parametrize("convolutions", [3, 4])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_network_is_built_again_from_the_names_and_shapes_of_its_weights(
    convolutions, padding, batch_norm, dropout
):
    network = build(
        filters=(5, 3),
        convolutions=convolutions,
        padding=padding,
        batch_norm=batch_norm,
        dropout=dropout,
    )
    again = model.build_like({one.path: tuple(one.shape) for one in network.weights})
    for one, other in zip(network.weights, again.weights, strict=True):
        other.assign(one)
    images = np.random.default_rng(1).random((4, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(again(images), network(images))


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"other/dense/kernel": (784, 10)},
        {"tinyvgg/conv_1_1/kernel": (3, 3, 1, 10)},
        {one.path: (1, *one.shape) for one in build().weights},
        {one.path: tuple(one.shape) for one in build().weights[:-1]},
        {one.path.replace("tinyvgg", "other"): tuple(one.shape) for one in build().weights},
    ],
)
def test_what_is_no_such_network_is_not_built(shapes):
    assert model.build_like(shapes) is None


def test_average_of_flips_is_the_mean_over_an_image_and_its_mirror_image():
    network = build(dropout=0.5)
    randomize(network)
    images = np.random.default_rng(0).random([4, 28, 28, 1], np.float32)
    plain, mirrored = (network.predict_on_batch(one) for one in (images, images[:, :, ::-1]))
    mean = np.sqrt(plain * mirrored)
    both = model.average_flips(network)
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(both.predict_on_batch(images), expected, rtol=1e-4, atol=1e-6)
    assert [one.path for one in both.weights] == [one.path for one in network.weights]
