"""Models by plain TensorFlow and Keras, built twice or with one thing changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.model_store.identity import model_identity

BUILD = """
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def make_network(change):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 3, name="conv")])
    if change == "norm":
        network.add(keras.layers.BatchNormalization())
    network.add(keras.layers.Flatten())
    activation = "sigmoid" if change == "activation" else "softmax"
    network.add(keras.layers.Dense(2, activation=activation))
    if change == "dropout":
        network.add(keras.layers.Dropout(0.5))
    kernel = network.get_layer("conv").kernel
    values = kernel.numpy()
    if change == "weight":
        values[0, 0, 0, 0] = np.nextafter(values[0, 0, 0, 0], np.float32(9))
    if change == "exchanged":
        values = values[::-1]
    kernel.assign(values)
    return network


def export(directory, change):
    network = make_network(change)

    def serve(images):
        scale = 254.0 if change == "constant" else 255.0
        scaled = tf.map_fn(
            lambda image: tf.cast(image, tf.float32) / scale, images,
            fn_output_signature=tf.TensorSpec([4, 4, 1], tf.float32),
        )
        return {"scores" if change == "output" else "probabilities": network(scaled)}

    archive = keras.export.ExportArchive()
    key = "other" if change == "input" else "images"
    signature = [tf.TensorSpec([None, 4, 4, 1], tf.uint8, name=key)]
    name = "predict" if change == "signature" else "serving_default"
    archive.add_endpoint(name, serve, signature)
    archive.write_out(str(directory), verbose=False)
    if change == "asset":
        (directory / "assets" / "words.txt").write_text("a word")
    if change == "warmup":
        (directory / "assets.extra").mkdir()
        (directory / "assets.extra" / "tf_serving_warmup_requests").write_text("a request")


for change in sys.argv[2:]:
    export(Path(sys.argv[1], change), change)
"""

WITHOUT_EFFECT = ("dropout", "warmup")
WITH_EFFECT = (
    *("weight", "exchanged", "constant", "activation", "norm"),
    *("output", "input", "signature", "asset"),
)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds models in a process of their own; returns their directory."""

    def build(*changes: str) -> Path:
        directory = tmp_path_factory.mktemp("built")
        command = [sys.executable, "-c", BUILD, str(directory), *changes]
        subprocess.run(command, check=True, capture_output=True)
        return directory

    return build


@pytest.fixture(scope="module")
def built(build):
    """The model, the same built later in the process, and each change of it."""
    return build("nothing", *WITHOUT_EFFECT, *WITH_EFFECT, "nothing again")


@pytest.fixture(scope="module")
def identity(built):
    return model_identity(built / "nothing")


def test_identity_is_64_hexadecimal_digits(identity):
    assert len(identity) == 64
    int(identity, 16)


def test_another_build_of_the_same_is_the_same_model(build, built, identity):
    # Functions that were made before move the numbers of those to come.
    assert model_identity(built / "nothing again") == identity
    assert model_identity(build("nothing") / "nothing") == identity


@pytest.mark.parametrize("change", WITHOUT_EFFECT)
def test_what_no_answer_depends_on_does_not_count(built, identity, change):
    assert model_identity(built / change) == identity


@pytest.mark.parametrize("change", WITH_EFFECT)
def test_whatever_changes_an_answer_or_how_to_ask_makes_another_model(built, identity, change):
    assert model_identity(built / change) != identity


def test_directory_without_a_model_is_an_error(tmp_path):
    with pytest.raises(OSError, match="does not exist"):
        model_identity(tmp_path)
