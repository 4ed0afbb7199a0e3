import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainer_module import model, signatures, warmup


@pytest.fixture(scope="module")
def model_directory(transform_output, split_files, tmp_path_factory):
    """An exported model with warm-up requests of the eval split."""
    directory = tmp_path_factory.mktemp("export") / "model"
    network = model.build_model(
        filters=[4, 4], convolutions=3, padding="valid", batch_norm=False, dropout=0.0
    )
    signatures.export(network, transform_output, str(directory))
    warmup.write_warmup(directory, warmup.read_examples(split_files("eval")))
    return directory


@pytest.fixture(scope="module")
def logs(model_directory):
    """The records, read where and as TensorFlow Serving reads them."""
    path = model_directory / "assets.extra" / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


@pytest.fixture(scope="module")
def loaded(model_directory):
    return tf.saved_model.load(str(model_directory)).signatures


def test_there_are_at_most_as_many_requests_as_a_server_takes(logs):
    assert [log.WhichOneof("log_type") for log in logs] == ["predict_log"] * 2


def test_requests_fit_the_signature_they_name(logs, loaded):
    for log in logs:
        request = log.predict_log.request
        signature = loaded[request.model_spec.signature_name]
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        assert inputs.keys() == signature.structured_input_signature[1].keys()
        answers = signature(**{key: tf.constant(value) for key, value in inputs.items()})
        assert answers.keys() == log.predict_log.response.outputs.keys()


def test_batches_of_one_and_of_many_are_warmed_up(logs, split_files):
    sizes = [len(tf.make_ndarray(log.predict_log.request.inputs["examples"])) for log in logs]
    assert sizes == [1, len(warmup.read_examples(split_files("eval")))]
    assert sizes[1] > 1


def test_requests_are_read_back_with_what_the_model_answers(model_directory, loaded, split_files):
    read = warmup.read_warmup(model_directory)
    assert read.examples == warmup.read_examples(split_files("eval"))
    answers = loaded["serving_default"](examples=tf.constant(read.examples))
    assert answers.keys() == read.answers.keys()
    for key, value in answers.items():
        np.testing.assert_array_equal(read.answers[key], value.numpy())


def test_model_without_requests_has_none_to_read(tmp_path):
    assert warmup.read_warmup(tmp_path) is None


@pytest.mark.parametrize("count", [1, 7])
def test_first_examples_of_a_split_are_read_and_no_more(split_files, count):
    examples = warmup.read_examples(split_files("eval"), count)
    assert examples == warmup.read_examples(split_files("eval"))[:count]
    assert len(examples) == count
