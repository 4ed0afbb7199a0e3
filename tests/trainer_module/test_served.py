import tensorflow as tf

from trainer_module import served


def test_signature_that_is_asked_if_none_is_named_is_tensorflow_s():
    assert served.SERVING_DEFAULT == tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
