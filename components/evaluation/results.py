"""The Evaluator's figures and verdict, as data. Free of TensorFlow.

Figures that are not numbers are null in JSON, and read back as NaN.
"""

import math
from typing import Annotated, Literal

import pydantic

OVERALL = "overall"
"""The slice that has all examples."""

Number = Annotated[
    float, pydantic.BeforeValidator(lambda value: math.nan if value is None else value)
]


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

    precision: float | None
    f1: float | None
    auc: float | None
    most_confused_with: str | None


class OverallMetrics(Metrics):
    """Figures of all examples, and the means of the classes' that the split has."""

    macro_precision: float | None
    macro_recall: float | None
    macro_f1: float | None
    macro_auc: float | None


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
    value: float | None
    bound: float
    by: float | None

    @property
    def sentence(self) -> str:
        """Metric, slice, value, bound, and by how much it was missed."""
        where = self.slice if self.slice == OVERALL else f"of {self.slice}"
        what = f"{self.metric} {where}"
        if self.value is None:
            return f"{what} is not a number"
        if self.kind == "drop":
            return (
                f"{what} is {self.value:.4f} lower than the baseline's, and may be "
                f"{self.bound:.4f} lower: {self.by:.4f} too much"
            )
        limit, fault = {"floor": ("at least", "low"), "ceiling": ("at most", "high")}[self.kind]
        return (
            f"{what} is {self.value:.4f} and should be {limit} {self.bound:.4f}: "
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
        """A sentence for each threshold that was missed."""
        return [miss.sentence for miss in self.misses]
