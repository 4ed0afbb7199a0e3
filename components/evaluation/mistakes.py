"""The mistakes that a model is most sure of. Free of TensorFlow.

Of any number of predictions only so many are kept, whatever order and parts they come in, so that
they are found where the predictions are made, and by as many workers.
"""

import base64
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer_module import features

KEPT = 24
"""How many of a slice."""


@dataclass(frozen=True)
class Mistake:
    """An image that the model takes for another class.

    Attributes:
        png: the image, as PNG.
        truth: the true class.
        guess: the predicted class.
        probability: the model's, of the predicted class.
        truth_probability: the model's, of the true class.
    """

    png: bytes
    truth: str
    guess: str
    probability: float
    truth_probability: float


def find(
    labels: np.ndarray, probabilities: np.ndarray, pngs: Sequence[bytes]
) -> tuple[Mistake, ...]:
    """Picks the mistakes of a batch that the model is most sure of, the surest first.

    Predictions that are not numbers are left out.

    Args:
        labels: int64 [N].
        probabilities: float [N, 10].
        pngs: [N].
    """
    finite = np.isfinite(probabilities).all(axis=1)
    guesses = np.where(finite, probabilities.argmax(axis=1), labels)
    wrong = np.flatnonzero(guesses != labels).tolist()
    return choose(
        Mistake(
            png=pngs[index],
            truth=features.CLASS_NAMES[labels[index]],
            guess=features.CLASS_NAMES[guesses[index]],
            probability=float(probabilities[index, guesses[index]]),
            truth_probability=float(probabilities[index, labels[index]]),
        )
        for index in wrong
    )


def choose(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Picks those that the model is most sure of, the surest first; equals by their images."""
    return tuple(heapq.nsmallest(KEPT, mistakes, key=lambda one: (-one.probability, one.png)))


def to_array(mistakes: Sequence[Mistake]) -> np.ndarray:
    """Writes mistakes as an array of text [N, 5], by the order of the attributes."""
    rows = [
        (
            base64.b64encode(one.png).decode(),
            *(one.truth, one.guess, repr(one.probability), repr(one.truth_probability)),
        )
        for one in mistakes
    ]
    return np.array(rows, np.str_).reshape(-1, 5)


def from_texts(texts: Sequence[str]) -> list[Mistake]:
    """Reads the mistakes back from the texts of such an array, row by row."""
    rows = (texts[start : start + 5] for start in range(0, len(texts), 5))
    return [
        Mistake(base64.b64decode(png), truth, guess, float(probability), float(of_truth))
        for png, truth, guess, probability, of_truth in rows
    ]
