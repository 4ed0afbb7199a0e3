import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from sklearn import metrics
from tfx.components.evaluator import executor
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

import schema
from components.evaluation.reader import read_evaluation
from pipeline import config, evaluation
from trainer_module import features

NAMES = features.CLASS_NAMES


class Lookup(tf.Module):
    """A model whose predictions stand in the examples, under a key of their own."""

    def __init__(self, key):
        super().__init__()
        self.spec = {key: tf.io.FixedLenFeature([features.NUM_CLASSES], tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, examples):
        [probabilities] = tf.io.parse_example(examples, self.spec).values()
        return {"probabilities": probabilities}


def predict(truth, guesses, certainty=0.7):
    """Probabilities float32 [N, 10], with more or less certain guesses."""
    others = (1 - certainty) / (features.NUM_CLASSES - 1)
    probabilities = np.full((len(truth), features.NUM_CLASSES), others, np.float32)
    certainties = np.linspace(certainty, 0.95, len(truth))
    probabilities[np.arange(len(truth)), guesses] = certainties
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def evaluate(directory, truth, settings, *, candidate, baseline=None):
    """Runs the Evaluator of TFX on such models; returns the directory of its `evaluation`."""
    models = {"candidate": candidate}
    if baseline is not None:
        models["baseline"] = baseline
    examples = standard_artifacts.Examples()
    examples.uri = str(directory / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    (directory / "examples" / "Split-test").mkdir(parents=True)
    file = directory / "examples" / "Split-test" / "data-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for row, label in enumerate(truth):
            feature = {
                features.IMAGE: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""])),
                features.LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            } | {
                key: tf.train.Feature(float_list=tf.train.FloatList(value=probabilities[row]))
                for key, probabilities in models.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    inputs = {"examples": [examples]}
    for number, (key, channel) in enumerate(
        [("candidate", "model"), ("baseline", "baseline_model")][: len(models)], start=1
    ):
        model = standard_artifacts.Model()
        model.uri, model.id = str(directory / key), number
        lookup = Lookup(key)
        tf.saved_model.save(
            lookup, f"{model.uri}/Format-Serving", {"serving_default": lookup.serve}
        )
        inputs[channel] = [model]
    curated = standard_artifacts.Schema()
    curated.uri = str(schema.SCHEMA_FILE.parent)
    outputs = {
        "evaluation": [standard_artifacts.ModelEvaluation()],
        "blessing": [standard_artifacts.ModelBlessing()],
    }
    for key, [artifact] in outputs.items():
        artifact.uri = str(directory / key)
        Path(artifact.uri).mkdir()
    executor.Executor(
        base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=list(config.Beam().args), tmp_dir=str(directory), unique_id="1"
        )
    ).Do(
        inputs,
        outputs,
        {
            "eval_config": json_format.MessageToJson(
                evaluation.build_eval_config(settings), preserving_proto_field_name=True
            ),
            "example_splits": json.dumps(["test"]),
            "fairness_indicator_thresholds": "null",
        },
    )
    return str(directory / "evaluation")


def mistake(labels, true, guess, every):
    """Takes some of the guesses at one class for another class."""
    guesses = labels.copy()
    guesses[np.flatnonzero(labels == true)[::every]] = guess
    return guesses


GOOD_TRUTH = np.arange(150) % 10
GOOD_GUESSES = mistake(mistake(GOOD_TRUTH, 6, 0, every=3), 9, 7, every=5)
GOOD_GUESSES[16] = 2

BAD_TRUTH = np.array([label for label in np.arange(150) % 10 if label != NAMES.index("Coat")])
BAD_GUESSES = mistake(BAD_TRUTH, NAMES.index("Shirt"), NAMES.index("T-shirt/top"), every=1)
BAD_GUESSES[np.flatnonzero(np.equal(BAD_TRUTH, NAMES.index("Pullover")))[:3]] = NAMES.index("Coat")
BAD_BASELINE_GUESSES = mistake(BAD_TRUTH, NAMES.index("Dress"), NAMES.index("Bag"), every=2)


@pytest.fixture(scope="module")
def blessed(tmp_path_factory):
    """A first model: a few mistakes, no baseline."""
    probabilities = predict(GOOD_TRUTH, GOOD_GUESSES)
    directory = tmp_path_factory.mktemp("blessed")
    return read_evaluation(
        evaluate(directory, GOOD_TRUTH, config.Evaluation(), candidate=probabilities)
    )


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A later model that misses every threshold, on data without Coat.

    It takes every Shirt for a T-shirt, and now and then a Pullover for a Coat. The last
    blessed model makes fewer mistakes.
    """
    directory = tmp_path_factory.mktemp("refused")
    return read_evaluation(
        evaluate(
            directory,
            BAD_TRUTH,
            config.Evaluation(min_accuracy=0.9, min_class_accuracy=0.5, max_accuracy_drop=0.02),
            candidate=predict(BAD_TRUTH, BAD_GUESSES),
            baseline=predict(BAD_TRUTH, BAD_BASELINE_GUESSES),
        )
    )


@pytest.fixture(params=["blessed", "refused"])
def case(request):
    """An evaluation, with what was evaluated."""
    truth, guesses = {
        "blessed": (GOOD_TRUTH, GOOD_GUESSES),
        "refused": (BAD_TRUTH, BAD_GUESSES),
    }[request.param]
    return request.getfixturevalue(request.param), truth, guesses


def approx(value):
    return pytest.approx(value, abs=1e-6)


def log_loss(truth, guesses, where):
    probabilities = predict(truth, guesses)[where].astype(np.float64)
    return metrics.log_loss(truth[where], probabilities, labels=range(10))


def test_overall_figures_are_those_of_scikit_learn(case):
    result, truth, guesses = case
    assert result.overall.examples == len(truth)
    assert result.overall.accuracy == approx(metrics.accuracy_score(truth, guesses))
    assert result.overall.loss == approx(log_loss(truth, guesses, np.s_[:]))


def test_class_figures_are_those_of_scikit_learn(case):
    result, truth, guesses = case
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, guesses, labels=range(10), zero_division=np.nan
    )
    for label, name in enumerate(NAMES):
        if name not in result.classes:
            continue
        found = result.classes[name]
        assert found.examples == support[label]
        assert found.accuracy == approx(recall[label])
        assert found.loss == approx(log_loss(truth, guesses, truth == label))
        assert found.f1 == approx(f1[label])
        if found.precision is None:
            assert np.isnan(precision[label])
        else:
            assert found.precision == approx(precision[label])


def test_most_confused_with_is_the_largest_mistake_in_the_confusion_matrix(case):
    result, truth, guesses = case
    mistakes = metrics.confusion_matrix(truth, guesses, labels=range(10))
    np.fill_diagonal(mistakes, 0)
    for label, name in enumerate(NAMES):
        if name in result.classes:
            largest = NAMES[mistakes[label].argmax()] if mistakes[label].any() else None
            assert result.classes[name].most_confused_with == largest


def test_the_most_frequent_mistake_counts_not_the_first(blessed):
    assert blessed.classes["Shirt"].most_confused_with == "T-shirt/top"


def test_classes_are_named_in_the_order_of_their_labels(blessed):
    assert tuple(blessed.classes) == NAMES


def test_a_model_that_reaches_every_threshold_is_blessed_without_reasons(blessed):
    assert blessed.blessed
    assert blessed.reasons == []


def test_figures_are_the_candidates_where_a_baseline_stands_beside_it(refused):
    accuracy = metrics.accuracy_score(BAD_TRUTH, BAD_GUESSES)
    assert accuracy != metrics.accuracy_score(BAD_TRUTH, BAD_BASELINE_GUESSES)
    assert refused.overall.accuracy == approx(accuracy)


def test_a_class_missing_from_the_data_is_left_out(refused):
    assert set(NAMES) - set(refused.classes) == {"Coat"}


def test_a_class_that_is_missing_from_the_data_can_still_be_confused_with(refused):
    assert refused.classes["Pullover"].most_confused_with == "Coat"


def test_a_class_never_predicted_has_no_precision_and_an_f1_of_zero(refused):
    shirt = refused.classes["Shirt"]
    assert (shirt.accuracy, shirt.precision, shirt.f1) == (0.0, None, 0.0)


def test_a_refusal_has_a_sentence_for_each_threshold_that_was_missed(refused):
    accuracy = metrics.accuracy_score(BAD_TRUTH, BAD_GUESSES)
    drop = metrics.accuracy_score(BAD_TRUTH, BAD_BASELINE_GUESSES) - accuracy
    assert not refused.blessed
    assert sorted(refused.reasons) == sorted(
        [
            f"accuracy overall is {accuracy:.4f} and should be at least 0.9000: "
            f"{0.9 - accuracy:.4f} too low",
            f"accuracy overall is {drop:.4f} lower than the baseline's, and may be 0.0200 lower: "
            f"{drop - 0.02:.4f} too much",
            "accuracy of Shirt is 0.0000 and should be at least 0.5000: 0.5000 too low",
        ]
    )
