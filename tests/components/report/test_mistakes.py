import numpy as np
import pytest
import tensorflow as tf

from components.report.mistakes import find_mistakes
from trainer_module import features

LABELS = [0, 1, 2, 3]


class Echo(tf.Module):
    """Answers what each image's bytes say: a class, and how sure it is of it."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        spec = {features.IMAGE: tf.io.FixedLenFeature([], tf.string)}
        raw = tf.io.parse_example(examples, spec)[features.IMAGE]
        return {"probabilities": tf.io.decode_raw(raw, tf.float32)}


@pytest.fixture
def model(tmp_path):
    echo = Echo()
    directory = tmp_path / "model"
    tf.saved_model.save(echo, str(directory), signatures={"serving_default": echo.serve})
    return directory


@pytest.fixture
def write_split(tmp_path):
    """Writes a split in which the model gives such classes such probabilities."""

    def write_split(predictions, labels=LABELS):
        split = tmp_path / "split"
        split.mkdir()
        with tf.io.TFRecordWriter(str(split / "data-0.gz"), "GZIP") as writer:
            for (guess, probability), label in zip(predictions, labels, strict=True):
                row = np.full(features.NUM_CLASSES, (1 - probability) / 9, np.float32)
                row[guess] = probability
                example = tf.train.Example()
                feature = example.features.feature
                feature[features.IMAGE].bytes_list.value.append(row.tobytes())
                feature[features.LABEL].int64_list.value.append(label)
                writer.write(example.SerializeToString())
        return split

    return write_split


def test_the_surest_mistakes_come_first(model, write_split):
    split = write_split([(0, 0.9), (2, 0.6), (3, 0.8), (0, 0.5)])
    found = find_mistakes(model, split, 2)
    assert (found.count, found.examples, found.not_numbers) == (3, 4, 0)
    assert [(one.truth, one.guess) for one in found.worst] == [
        ("Pullover", "Dress"),
        ("Trouser", "Pullover"),
    ]
    assert found.worst[0].probability == pytest.approx(0.8)
    assert found.worst[0].truth_probability == pytest.approx(0.2 / 9)
    assert len(found.worst[0].png) == 4 * features.NUM_CLASSES


def test_faultless_model_has_none(model, write_split):
    found = find_mistakes(model, write_split([(label, 0.9) for label in LABELS]), 2)
    assert (found.worst, found.count) == ([], 0)


def test_predictions_that_are_not_numbers_are_counted_and_not_shown(model, write_split):
    split = write_split([(0, float("nan")), (1, 0.9), (3, 0.8), (3, 0.9)])
    found = find_mistakes(model, split, 2)
    assert (found.count, found.not_numbers) == (2, 1)
    assert [one.truth for one in found.worst] == ["Pullover"]


def test_every_prediction_may_be_not_a_number(model, write_split):
    found = find_mistakes(model, write_split([(0, float("nan"))] * 4), 2)
    assert (found.worst, found.count, found.not_numbers) == ([], 4, 4)
