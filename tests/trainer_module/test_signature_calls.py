import gc

import numpy as np
import pytest
import tensorflow as tf

from trainer_module import signature_calls
from trainer_module.signature_calls import load_signature


class Model(tf.Module):
    """Answers how long texts are, and how bright images, by a variable that must be alive."""

    def __init__(self):
        super().__init__()
        self.zero = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def measure(self, texts):
        return {"length": tf.strings.length(texts) + self.zero, "same": texts}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.uint8, name="pixels")])
    def brighten(self, pixels):
        return {"pixels": pixels + 1, "batch": tf.fill(tf.shape(pixels)[:1], tf.shape(pixels)[0])}


@pytest.fixture
def directory(tmp_path):
    model = Model()
    signatures = {"measure": model.measure, "brighten": model.brighten}
    tf.saved_model.save(model, str(tmp_path / "1"), signatures)
    return tmp_path / "1"


def test_texts_are_answered_by_output_though_nobody_else_keeps_the_model(directory):
    measure = load_signature(directory, "measure")
    gc.collect()
    answers = measure([b"a", b"", b"abc"])
    assert answers["length"].tolist() == [1, 0, 3]
    assert answers["same"].tolist() == [b"a", b"", b"abc"]


def test_more_than_a_batch_is_sent_in_several_and_answered_in_order(directory, monkeypatch):
    monkeypatch.setattr(signature_calls, "_BATCH", 2)
    pixels = np.arange(10, dtype=np.uint8).reshape(5, 2)
    answers = load_signature(directory, "brighten")(pixels)
    np.testing.assert_array_equal(answers["pixels"], pixels + 1)
    assert answers["pixels"].dtype == np.uint8
    assert answers["batch"].tolist() == [2, 2, 2, 2, 1]


def test_signature_that_a_model_has_not_is_named(directory):
    with pytest.raises(KeyError, match="predict"):
        load_signature(directory, "predict")([b""])
