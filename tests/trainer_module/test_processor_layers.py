import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from trainer_module import model, processor_layers

LAYOUTS = {
    "default": {"filters": (14, 16), "convolutions": 4, "padding": "same", "batch_norm": True},
    "valid": {"filters": (5, 3), "convolutions": 3, "padding": "valid", "batch_norm": True},
    "plain": {"filters": (5, 3), "convolutions": 3, "padding": "same", "batch_norm": False},
}

IMAGES = (np.random.default_rng(0).random((64, 28, 28, 1)) ** 3).astype(np.float32)
"""Mostly dark."""


def randomize(network):
    """Leaves no offset, scale or statistic as it is initialized."""
    random = np.random.default_rng(1)
    network.set_weights(
        [
            weight if weight.ndim > 1 else weight + random.uniform(0, 0.2, weight.shape)
            for weight in network.get_weights()
        ]
    )
    return network


@pytest.fixture(params=LAYOUTS)
def stock(request):
    """A network of Keras' layers."""
    keras.utils.set_random_seed(1)
    return randomize(model.build_model(**LAYOUTS[request.param], dropout=0.0))


def exchange(network, precision="float32"):
    return processor_layers.exchange_layers(network, precision=precision)


def assert_close(one, other, tolerance=1e-4):
    """Compares by the largest value: single small ones are all rounding."""
    assert np.abs(np.subtract(one, other)).max() <= tolerance * np.abs(one).max()


def differentiate(network, inputs, upstream):
    """Returns what a training step computes: outputs, gradients and, afterwards, the weights."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = network(inputs, training=True)
        total = tf.reduce_sum(outputs * upstream)
    of_weights, of_inputs = tape.gradient(total, [network.trainable_variables, inputs])
    return [outputs, *of_weights, *network.get_weights()], of_inputs


def assert_same_step(network, inputs):
    """Returns the gradients of the inputs, in Keras' layers and in the others."""
    randomize(network)
    fast = exchange(network)
    shape = (len(inputs), *network.output_shape[1:])
    upstream = np.random.default_rng(2).normal(0, 1, shape).astype(np.float32)
    expected, of_inputs = differentiate(network, inputs, upstream)
    found, of_fast_inputs = differentiate(fast, inputs, upstream)
    for one, other in zip(expected, found, strict=True):
        assert_close(one, other)
    return of_inputs, of_fast_inputs


@pytest.mark.parametrize("images", [IMAGES, 1 - IMAGES], ids=["dark", "bright"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_step_of_the_first_convolution_is_that_of_keras_layers(images, padding):
    convolution = layers.Conv2D(14, 3, padding=padding, use_bias=False)
    network = [keras.Input((28, 28, 1)), convolution, layers.BatchNormalization(momentum=0.9)]
    assert_same_step(keras.Sequential(network), images)


def test_a_step_of_a_normalization_is_that_of_keras_layer():
    network = [keras.Input((7, 5, 3)), layers.BatchNormalization(momentum=0.9), layers.Flatten()]
    inputs = np.random.default_rng(3).normal(5, 0.1, (32, 7, 5, 3)).astype(np.float32)
    assert_close(*assert_same_step(keras.Sequential(network), inputs))


def test_a_step_of_the_whole_network_has_the_loss_and_statistics_of_keras_layers(stock):
    fast = exchange(stock)
    np.testing.assert_allclose(fast(IMAGES, training=True), stock(IMAGES, training=True), atol=1e-5)
    for one, other in zip(stock.get_weights(), fast.get_weights(), strict=True):
        assert_close(one, other)


def test_inference_gives_what_keras_layers_give(stock):
    np.testing.assert_allclose(exchange(stock)(IMAGES), stock(IMAGES), atol=1e-6)


def test_the_last_batch_of_an_epoch_may_be_smaller(stock):
    fast = exchange(stock)
    call = tf.function(lambda images: fast(images, training=True), reduce_retracing=True)
    call(IMAGES)
    np.testing.assert_allclose(call(IMAGES[:5]), stock(IMAGES[:5], training=True), atol=1e-5)


def test_weights_have_the_order_that_keras_layers_have(stock):
    fast = exchange(stock)
    names = [weight.path.split("/")[-2:] for weight in stock.weights]
    assert [weight.path.split("/")[-2:] for weight in fast.weights] == names
    trainable = [weight.name for weight in stock.trainable_weights]
    assert [weight.name for weight in fast.trainable_weights] == trainable


def test_convolutions_round_what_they_multiply_in_training_alone(stock):
    fast = exchange(stock, "mixed_bfloat16")
    np.testing.assert_allclose(fast(IMAGES), stock(IMAGES), atol=1e-6)
    trained, expected = fast(IMAGES, training=True), stock(IMAGES, training=True)
    difference = np.abs(trained - expected).max()
    # bfloat16 has two to three digits.
    assert 1e-5 < difference < 0.02


def test_weights_and_gradients_stay_float32(stock):
    fast = exchange(stock, "mixed_bfloat16")
    upstream = np.random.default_rng(2).normal(0, 1, (64, 10)).astype(np.float32)
    values, _ = differentiate(fast, IMAGES, upstream)
    assert {np.asarray(one).dtype for one in values} == {np.dtype(np.float32)}


def test_dropout_is_kept():
    network = model.build_model(**LAYOUTS["default"], dropout=0.5)
    assert exchange(network).get_layer("dropout").rate == 0.5
