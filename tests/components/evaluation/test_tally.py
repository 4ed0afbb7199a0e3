from dataclasses import astuple

import numpy as np
import pytest
from sklearn import metrics

from components.evaluation import tally
from trainer_module import features

NAN = float("nan")
CLASSES = range(features.NUM_CLASSES)


def predictions(examples=5000, seed=0):
    """Labels, and probabilities that are right more often than not and have no ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(features.NUM_CLASSES, size=examples)
    logits = random.normal(scale=3, size=(examples, features.NUM_CLASSES))
    logits[np.arange(examples), labels] += 6
    odds = np.exp(logits)
    return labels, odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def predicted():
    return predictions()


@pytest.fixture(scope="module")
def counted(predicted):
    return tally.count(*predicted)


def figures(labels, probabilities):
    counted = tally.count(np.array(labels), np.array(probabilities, float))
    return {name: figure(counted) for name, figure in tally.FIGURES.items()}


def certain(*guesses):
    return np.eye(features.NUM_CLASSES)[list(guesses)]


def test_confusion_matrix_is_that_of_scikit_learn(predicted, counted):
    labels, probabilities = predicted
    expected = metrics.confusion_matrix(labels, probabilities.argmax(axis=1), labels=CLASSES)
    assert (counted.confusion == expected).all()


def test_figures_of_classes_and_their_means_are_those_of_scikit_learns_report(predicted, counted):
    labels, probabilities = predicted
    report = metrics.classification_report(labels, probabilities.argmax(axis=1), output_dict=True)
    for name, expected in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        for label in CLASSES:
            found = tally.CLASS_FIGURES[name](counted, label)
            assert found == pytest.approx(report[str(label)][expected], abs=1e-6)
        mean = tally.FIGURES[f"macro_{name}"](counted)
        assert mean == pytest.approx(report["macro avg"][expected], abs=1e-6)
    assert tally.FIGURES["accuracy"](counted) == pytest.approx(report["accuracy"], abs=1e-6)


def test_loss_and_top_2_accuracy_are_those_of_scikit_learn(predicted, counted):
    labels, probabilities = predicted
    assert tally.FIGURES["loss"](counted) == pytest.approx(
        metrics.log_loss(labels, probabilities), abs=1e-6
    )
    assert tally.FIGURES["top_2_accuracy"](counted) == pytest.approx(
        metrics.top_k_accuracy_score(labels, probabilities, k=2), abs=1e-6
    )


def test_auc_is_that_of_scikit_learn_but_for_the_width_of_a_bin(predicted, counted):
    labels, probabilities = predicted
    for label in CLASSES:
        expected = metrics.roc_auc_score(labels == label, probabilities[:, label])
        assert tally.CLASS_FIGURES["auc"](counted, label) == pytest.approx(expected, abs=1e-4)


def test_tallies_of_parts_add_up_to_that_of_the_whole(predicted, counted):
    labels, probabilities = predicted
    added = tally.empty()
    for part in np.array_split(np.arange(len(labels)), 7):
        added = added.plus(tally.count(labels[part], probabilities[part]))
    for one, other in zip(astuple(added), astuple(counted), strict=True):
        np.testing.assert_allclose(one, other)


def test_calibration_error_is_the_distance_of_confidence_and_accuracy():
    probabilities = np.full((4, features.NUM_CLASSES), 0.2 / 9)
    probabilities[:, 3] = 0.8
    # Sure of itself by 0.8, and right in a half.
    assert figures([3, 3, 0, 1], probabilities)["calibration_error"] == pytest.approx(0.3)
    assert figures([3, 3], certain(3, 3))["calibration_error"] == 0


def test_of_equally_probable_classes_the_first_is_predicted():
    even = np.full((1, features.NUM_CLASSES), 0.1)
    assert tally.count(np.array([5]), even).confusion[5, 0] == 1
    assert figures([1], even)["top_2_accuracy"] == 1
    assert figures([2], even)["top_2_accuracy"] == 0


def test_a_probability_of_zero_costs_no_more_than_in_keras():
    assert figures([1], certain(0))["loss"] == pytest.approx(-np.log(1e-7))


def test_a_class_never_predicted_has_no_precision_and_counts_as_zero_in_the_mean():
    counted = tally.count(np.array([0, 1]), certain(0, 0))
    assert np.isnan(tally.CLASS_FIGURES["precision"](counted, 1))
    assert tally.CLASS_FIGURES["f1"](counted, 1) == 0
    assert tally.FIGURES["macro_precision"](counted) == pytest.approx(0.25)


def test_nothing_is_known_of_a_class_that_is_missing_and_means_leave_it_out():
    counted = tally.count(np.array([0, 1]), certain(0, 1))
    assert all(np.isnan(figure(counted, 2)) for figure in tally.CLASS_FIGURES.values())
    assert tally.FIGURES["macro_f1"](counted) == 1


def test_nothing_is_known_of_no_examples():
    assert tally.empty().examples == 0
    assert all(np.isnan(figure(tally.empty())) for figure in tally.FIGURES.values())


@pytest.mark.parametrize("bad", [NAN, float("inf")])
def test_predictions_that_are_not_numbers_are_counted_apart(bad):
    probabilities = certain(0, 1, 1)
    probabilities[1, 4] = bad
    counted = tally.count(np.array([0, 1, 1]), probabilities)
    assert (counted.invalid, counted.examples, counted.confusion.sum()) == (1, 3, 2)
