"""The Evaluator's figures and verdict, as data. Free of TensorFlow.

Figures that are not numbers are null in JSON, and read back as NaN.
"""

import math
from typing import Annotated, Literal

import pydantic

OVERALL = "overall"
"""The slice that has all examples."""

_NAMES = {"f1": "F1"}


def _to_nan(value: object) -> object:
    return math.nan if value is None else value


def _from_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


Number = Annotated[float, pydantic.BeforeValidator(_to_nan)]
Defined = Annotated[float | None, pydantic.BeforeValidator(_from_nan)]
"""A figure that is None where it has no meaning, as a precision where nothing was predicted."""


class EvaluationError(Exception):
    """An evaluation that can't be read: one sentence that says where and what to do."""


class _Result(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, ser_json_inf_nan="constants")


class Metrics(_Result):
    """Figures on one slice of the test split.

    Attributes:
        examples: how many images it has.
        accuracy: the fraction whose class is the most probable one; in a class, its recall.
        loss: mean cross-entropy, in nats.
        top_2_accuracy: the fraction whose class is among the two most probable ones.
        calibration_error: expected calibration error, how far the probability of the
            predicted class is from the accuracy, on the average.
        intervals: 95 % confidence intervals by the name of the figure, where asked for.
    """

    examples: int
    accuracy: Number
    loss: Number
    top_2_accuracy: Number
    calibration_error: Number
    intervals: dict[str, tuple[Number, Number]] = {}


class ClassMetrics(Metrics):
    """Figures of one class against the rest, by arg-max.

    Attributes:
        precision: None where nothing was predicted as the class.
        f1: harmonic mean of precision and recall.
        auc: area under the ROC curve of the class's probability; None where the split has no
            other class.
        most_confused_with: the class that most of its mistakes went to, if it has any.
    """

    precision: Defined
    f1: Defined
    auc: Defined
    most_confused_with: str | None


class OverallMetrics(Metrics):
    """Figures of all examples, and the means of the classes' that the split has."""

    macro_precision: Defined
    macro_recall: Defined
    macro_f1: Defined
    macro_auc: Defined


class Figures(_Result):
    """Figures of one model.

    Attributes:
        overall: on all examples.
        classes: by the class's name; those that the split has.
        slices: by what cuts the split (`ink`, `brightness`, `group`), then by the name of the
            part, in order.
        confusion: examples by true label, then by predicted label.
    """

    overall: OverallMetrics
    classes: dict[str, ClassMetrics]
    slices: dict[str, dict[str, Metrics]] = {}
    confusion: list[list[int]]

    @property
    def not_numbers(self) -> int:
        """How many predictions are not numbers."""
        return self.overall.examples - sum(map(sum, self.confusion))

    @property
    def mistaken(self) -> int:
        """How many examples are not taken for what they are, with these."""
        right = sum(row[label] for label, row in enumerate(self.confusion))
        return self.overall.examples - right


class Miss(_Result):
    """A threshold that was missed.

    Attributes:
        metric: the figure's name.
        slice: `overall`, or the class's name.
        kind: whether the figure is below a floor, above a ceiling, or has dropped too far below
            the baseline's.
        value: the figure, or by how much it dropped; None where it is not a number.
        bound: what it should at least, or may at most be.
        by: how far it is beyond.
    """

    metric: str
    slice: str
    kind: Literal["floor", "ceiling", "drop"]
    value: Defined
    bound: float
    by: Defined

    @property
    def what(self) -> str:
        """Metric and slice, for people."""
        where = self.slice if self.slice == OVERALL else f"of {self.slice}"
        return f"{_NAMES.get(self.metric, self.metric)} {where}"

    @property
    def sentence(self) -> str:
        """Metric, slice, value, bound, and by how much it was missed."""
        if self.value is None:
            return f"{self.what} is not a number"
        if self.kind == "drop":
            return (
                f"{self.what} is {self.value:.4f} lower than the baseline's, and may be "
                f"{self.bound:.4f} lower: {self.by:.4f} too much"
            )
        limit, fault = {"floor": ("at least", "low"), "ceiling": ("at most", "high")}[self.kind]
        return (
            f"{self.what} is {self.value:.4f} and should be {limit} {self.bound:.4f}: "
            f"{self.by:.4f} too {fault}"
        )


class Evaluation(Figures):
    """The figures of a candidate, and the verdict on it.

    Attributes:
        blessed: whether it missed no threshold.
        misses: all that it missed.
        notes: what else there is to know, a sentence each.
        baseline: the figures of the model it was compared with, on the same split.
    """

    blessed: bool
    misses: list[Miss] = []
    notes: list[str] = []
    baseline: Figures | None = None

    @property
    def reasons(self) -> list[str]:
        """A sentence for each threshold that was missed, one for all that are not numbers."""
        known = [miss.sentence for miss in self.misses if miss.value is not None]
        unknown = dict.fromkeys(miss.what for miss in self.misses if miss.value is None)
        # Of a model that gives no numbers, every figure is unknown.
        return [f"{_enumerate(list(unknown))} not a number", *known] if unknown else known


def _enumerate(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    listed = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more figures"]
    return f"{', '.join(listed[:-1])} and {listed[-1]} are"
