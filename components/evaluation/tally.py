"""All that the figures of a classifier are made from, counted once and in one pass.

A tally of many predictions is the sum of the tallies of its parts. What is counted is a
confusion matrix and a few histograms, so its size does not depend on how many there were.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from trainer_module import features

# Keras's: a probability of 0 costs 16 nats, not infinitely many.
_EPSILON = 1e-7

# As in Guo et al. 2017, https://arxiv.org/abs/1706.04599.
_CALIBRATION_BINS = 15

# Even in log-odds, since most probabilities are close to 0 or 1. Pairs within a bin count as
# ties, which moves the AUC by less than 1e-4.
_SCORE_EDGES = np.linspace(-16, 16, 1023)


@dataclass(frozen=True)
class Tally:
    """Counts over N predictions.

    Attributes:
        confusion: int64 [10, 10], by true and by predicted class.
        invalid: how many predictions are not numbers; they are counted nowhere else.
        loss: the sum of the cross-entropy, in nats.
        top_2: how often the true class is among the two most probable ones.
        calibration: float64 [15, 3], by the probability of the predicted class: examples, the
            sum of that probability, and how many are right.
        scores: int64 [10, 1024, 2], for each class by the log-odds of its probability, those
            that are not of the class, and those that are.
    """

    confusion: np.ndarray
    invalid: int
    loss: float
    top_2: int
    calibration: np.ndarray
    scores: np.ndarray

    @property
    def examples(self) -> int:
        """How many predictions there are."""
        return int(self.confusion.sum()) + self.invalid

    def plus(self, other: "Tally") -> "Tally":
        """The tally of both."""
        counts = (field.name for field in fields(self))
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in counts})


def count(labels: np.ndarray, probabilities: np.ndarray) -> Tally:
    """Counts a batch of predictions.

    The predicted class is the most probable one, the first of them if there are several.

    Args:
        labels: int64 [N].
        probabilities: float [N, 10].
    """
    valid = np.isfinite(probabilities).all(axis=1)
    labels, probabilities = labels[valid], probabilities[valid].astype(np.float64)
    predicted = probabilities.argmax(axis=1)
    of_label = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    ahead = (probabilities > of_label) | (
        (probabilities == of_label) & (np.arange(features.NUM_CLASSES) < labels[:, np.newaxis])
    )
    return Tally(
        confusion=_histogram((labels, predicted), [features.NUM_CLASSES] * 2),
        invalid=int((~valid).sum()),
        loss=float(-np.log(of_label.clip(_EPSILON, 1)).sum()),
        top_2=int((ahead.sum(axis=1) < 2).sum()),
        calibration=_count_calibration(probabilities.max(axis=1, initial=0), labels == predicted),
        scores=_count_scores(labels, probabilities),
    )


def empty() -> Tally:
    """The tally of nothing."""
    return count(np.zeros([0], np.int64), np.zeros([0, features.NUM_CLASSES]))


def _histogram(indices: tuple[np.ndarray, ...], shape: list[int]) -> np.ndarray:
    flat = np.ravel_multi_index(indices, shape)
    return np.bincount(flat.ravel(), minlength=np.prod(shape)).reshape(shape)


def _count_calibration(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    bins = (confidence * _CALIBRATION_BINS).astype(int).clip(0, _CALIBRATION_BINS - 1)
    columns = [np.ones_like(confidence), confidence, right]
    return np.stack([np.bincount(bins, one, _CALIBRATION_BINS) for one in columns], axis=1)


def _count_scores(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    inside = probabilities.clip(_EPSILON, 1 - _EPSILON)
    bins = np.digitize(np.log(inside / (1 - inside)), _SCORE_EDGES)
    classes = np.broadcast_to(np.arange(features.NUM_CLASSES), bins.shape)
    positive = (classes == labels[:, np.newaxis]).astype(int)
    return _histogram((classes, bins, positive), [features.NUM_CLASSES, len(_SCORE_EDGES) + 1, 2])


def _accuracy(tally: Tally) -> float:
    return _ratio(tally.confusion.trace(), tally.examples)


def _loss(tally: Tally) -> float:
    return _ratio(tally.loss, tally.examples)


def _top_2_accuracy(tally: Tally) -> float:
    return _ratio(tally.top_2, tally.examples)


def _calibration_error(tally: Tally) -> float:
    """Expected calibration error (Naeini et al. 2015): mean |confidence - accuracy| of bins."""
    _, confidence, right = tally.calibration.T
    return _ratio(np.abs(confidence - right).sum(), tally.examples)


def _recall(tally: Tally, label: int) -> float:
    return _ratio(tally.confusion[label, label], tally.confusion[label].sum())


def _precision(tally: Tally, label: int) -> float:
    return _ratio(tally.confusion[label, label], tally.confusion[:, label].sum())


def _f1(tally: Tally, label: int) -> float:
    truly, predicted = tally.confusion[label].sum(), tally.confusion[:, label].sum()
    # Where there is none of the class, there is nothing to find.
    return _ratio(2 * tally.confusion[label, label], truly + predicted) if truly else np.nan


def _auc(tally: Tally, label: int) -> float:
    """One-versus-rest: how often an image of the class has the higher probability of it."""
    negative, positive = tally.scores[label].T
    below = np.cumsum(negative) - negative / 2
    return _ratio((positive * below).sum(), positive.sum() * negative.sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _macro(name: str) -> Callable[[Tally], float]:
    def mean(tally: Tally) -> float:
        present = np.flatnonzero(tally.confusion.sum(axis=1))
        values = np.array([CLASS_FIGURES[name](tally, label) for label in present.tolist()])
        if name == "precision":
            # As in scikit-learn, where nothing was predicted as the class.
            values = np.nan_to_num(values)
        return _ratio(values.sum(), len(values))

    return mean


CLASS_FIGURES: dict[str, Callable[[Tally, int], float]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "auc": _auc,
}
"""Figures of one class against the rest, by name."""

FIGURES: dict[str, Callable[[Tally], float]] = {
    "accuracy": _accuracy,
    "loss": _loss,
    "top_2_accuracy": _top_2_accuracy,
    "calibration_error": _calibration_error,
    **{f"macro_{name}": _macro(name) for name in CLASS_FIGURES},
}
"""Figures of a slice, by name; `macro_…` is the mean of the classes that the slice has."""
