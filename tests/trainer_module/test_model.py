import numpy as np
import pytest
from keras import layers

from trainer_module import model


def build(**changes):
    default = {"filters": (10, 10), "convolutions": 3, "padding": "valid", "dropout": 0.0}
    return model.build_model(**{**default, **changes})


def layers_of(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_default_layout_has_4430_parameters():
    assert build().count_params() == 4430


def test_default_layout_is_three_convolutions_two_poolings_and_one_dense_layer():
    kinds = [type(layer) for layer in build().layers]
    assert kinds == [
        layers.Conv2D,
        layers.Conv2D,
        layers.MaxPooling2D,
        layers.Conv2D,
        layers.MaxPooling2D,
        layers.Flatten,
        layers.Dense,
    ]


def test_four_convolutions_put_the_fourth_into_the_second_block():
    names = [layer.name for layer in build(convolutions=4).layers]
    assert names == [
        "conv_1_1",
        "conv_1_2",
        "max_pool_1",
        "conv_2_1",
        "conv_2_2",
        "max_pool_2",
        "flatten",
        "probabilities",
    ]


def test_four_convolutions_have_the_parameters_of_cnn_explainer():
    # 100 + 3 convolutions of 910, and 4 × 4 × 10 features into 10 classes.
    assert build(convolutions=4).count_params() == 100 + 3 * 910 + 1610


def test_same_padding_keeps_the_size_up_to_the_poolings():
    network = build(padding="same")
    assert [layer.output.shape[1] for layer in network.layers[:5]] == [28, 28, 14, 14, 7]
    assert network.get_layer("flatten").output.shape[1] == 7 * 7 * 10


def test_valid_padding_loses_two_pixels_a_convolution():
    assert [layer.output.shape[1] for layer in build().layers[:5]] == [26, 24, 12, 10, 5]


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


@pytest.mark.parametrize("changes", [{}, {"convolutions": 4, "padding": "same", "dropout": 0.5}])
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
