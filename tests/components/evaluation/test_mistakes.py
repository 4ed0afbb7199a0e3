import numpy as np
import pytest

from components.evaluation import mistakes
from components.evaluation.mistakes import Mistake
from trainer_module import features


def predict(guesses):
    """Probabilities [N, 10] of such classes and such certainties."""
    probabilities = np.empty((len(guesses), features.NUM_CLASSES), np.float32)
    for row, (guess, certainty) in zip(probabilities, guesses, strict=True):
        row[:] = (1 - certainty) / (features.NUM_CLASSES - 1)
        row[guess] = certainty
    return probabilities


def find(guesses, labels=(0, 1, 2, 3)):
    pngs = [b"png %d" % index for index in range(len(labels))]
    return mistakes.find(np.array(labels), predict(guesses), pngs)


def test_the_surest_mistakes_come_first():
    found = find([(0, 0.9), (2, 0.6), (3, 0.8), (0, 0.5)])
    assert [(one.png, one.truth, one.guess) for one in found] == [
        (b"png 2", "Pullover", "Dress"),
        (b"png 1", "Trouser", "Pullover"),
        (b"png 3", "Dress", "T-shirt/top"),
    ]
    assert found[0].probability == pytest.approx(0.8)
    assert found[0].truth_probability == pytest.approx(0.2 / 9)


def test_faultless_predictions_have_none():
    assert find([(label, 0.9) for label in range(4)]) == ()


def test_predictions_that_are_not_numbers_are_left_out():
    found = find([(0, float("nan")), (1, 0.9), (3, 0.8), (3, float("inf"))])
    assert [one.truth for one in found] == ["Pullover"]


def test_no_more_are_kept_than_so_many_and_equals_by_their_images_in_any_order():
    many = [Mistake(b"%03d" % index, "Bag", "Coat", 0.9, 0.1) for index in range(100)]
    expected = tuple(many[: mistakes.KEPT])
    halves = mistakes.choose(many[::2]), mistakes.choose(many[1::2])
    assert mistakes.choose(reversed(many)) == mistakes.choose(halves[1] + halves[0]) == expected


@pytest.mark.parametrize("count", [0, 1, 3])
def test_array_tells_all_of_them(count):
    some = [
        Mistake(bytes([0, 255, index]), "T-shirt/top", "Shirt", 0.7 / 3, 1e-9)
        for index in range(count)
    ]
    array = mistakes.to_array(some)
    assert array.shape == (count, 5)
    assert mistakes.from_texts(array.ravel().tolist()) == some
