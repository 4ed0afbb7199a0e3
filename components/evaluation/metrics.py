"""Metrics for TFMA that share one tally: the EvalConfig names them by this module.

TFMA counts once for each model and slice, and keeps the worst mistakes, however many of these
there are. A figure of a slice that has a prediction that is not a number is not a number either.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

from components.evaluation import mistakes, tally
from components.evaluation.mistakes import Mistake
from components.evaluation.tally import Tally
from trainer_module import features

EXAMPLES = "example_count"
"""As TFMA's own, by which its views sort out small slices."""

CONFUSION = "confusion"

MISTAKES = "mistakes"

# Private to TFMA by its underscore: not written, and no confidence interval.
_TALLY = "_tally"

# Counting is by the batch, since NumPy's overhead is by the call.
_BATCH = 1000


class Figure(metric_types.Metric):
    """One of `tally.FIGURES` or, binarized by classes, of `tally.CLASS_FIGURES`."""

    def __init__(self, name: str) -> None:
        """Names the figure."""
        super().__init__(metric_util.merge_per_key_computations(_figure), name=name)


class Examples(metric_types.Metric):
    """The number of examples; those whose prediction is not a number count too."""

    def __init__(self, name: str = EXAMPLES) -> None:
        """Names the count."""
        super().__init__(metric_util.merge_per_key_computations(_examples), name=name)

    @property
    def compute_confidence_interval(self) -> bool:
        """There is nothing to estimate."""
        return False


class Mistakes(metric_types.Metric):
    """The mistakes that the model is most sure of, as `mistakes.to_array` writes them.

    They stand among TFMA's attributions, of the feature `image`: its views and tables of metrics
    can't show what is no number.
    """

    def __init__(self, name: str = MISTAKES) -> None:
        """Names them."""
        super().__init__(metric_util.merge_per_key_computations(_mistakes), name=name)

    @property
    def compute_confidence_interval(self) -> bool:
        """They are no estimate."""
        return False


class ConfusionMatrix(metric_types.Metric):
    """The confusion matrix, as the plot that TFMA knows."""

    def __init__(self, name: str = CONFUSION) -> None:
        """Names the plot."""
        super().__init__(metric_util.merge_per_key_computations(_confusion), name=name)


def _figure(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    sub_key: metric_types.SubKey | None = None,
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(
        name, model_name=model_name, sub_key=sub_key, example_weighted=example_weighted
    )
    return _derive(key, _to_figure, eval_config)


def _examples(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name, model_name=model_name, example_weighted=example_weighted)
    return _derive(key, _to_examples, eval_config)


def _mistakes(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    key = metric_types.AttributionsKey(
        name, model_name=model_name, example_weighted=example_weighted
    )
    mistaken = _derive(key, _to_mistakes, eval_config)
    if not _has_baseline(model_name, eval_config):
        return mistaken
    # Of two models TFMA shows the one that has differences, where none is named.
    return [*mistaken, *_derive(key.make_diff_key(), _to_nothing, eval_config)]


def _confusion(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    key = metric_types.PlotKey(name, model_name=model_name, example_weighted=example_weighted)
    return _derive(key, _to_plot, eval_config)


@dataclass(frozen=True)
class _Sum:
    """What predictions come to."""

    tally: Tally
    worst: tuple[Mistake, ...]


def _to_figure(key: metric_types.MetricKey, counted: _Sum) -> float:
    if counted.tally.invalid:
        return np.nan
    if key.sub_key is None:
        return tally.FIGURES[key.name](counted.tally)
    return tally.CLASS_FIGURES[key.name](counted.tally, key.sub_key.class_id)


def _to_examples(key: metric_types.MetricKey, counted: _Sum) -> int:
    return counted.tally.examples


def _to_mistakes(key: metric_types.MetricKey, counted: _Sum) -> dict[str, np.ndarray]:
    return {features.IMAGE: mistakes.to_array(counted.worst)}


def _to_nothing(key: metric_types.MetricKey, counted: _Sum) -> dict[str, np.ndarray]:
    return {}


def _to_plot(
    key: metric_types.MetricKey, counted: _Sum
) -> metrics_for_slice_pb2.MultiClassConfusionMatrixAtThresholds:
    plot = metrics_for_slice_pb2.MultiClassConfusionMatrixAtThresholds()
    matrix = plot.matrices.add(threshold=0.0)
    for (truth, guess), examples in np.ndenumerate(counted.tally.confusion):
        matrix.entries.add(
            actual_class_id=truth, predicted_class_id=guess, num_weighted_examples=examples
        )
    return plot


def _has_baseline(model_name: str, eval_config: config_pb2.EvalConfig | None) -> bool:
    """Whether a model is compared with a baseline."""
    specs = eval_config.model_specs if eval_config else ()
    return any(one.is_baseline and one.name != model_name for one in specs)


_Value = Callable[[metric_types.MetricKey, _Sum], Any]


def _derive(
    key: metric_types.MetricKey, value: _Value, eval_config: config_pb2.EvalConfig | None
) -> metric_types.MetricComputations:
    """Computes a value from the model's tally, which TFMA counts once for all that ask."""
    tally_key = metric_types.MetricKey(_TALLY, model_name=key.model_name)
    counting = metric_types.MetricComputation(
        keys=[tally_key],
        preprocessors=[_Predictions(key.model_name, eval_config)],
        combiner=_Count(tally_key),
    )
    # Not a closure, which Beam would pickle by value.
    result = functools.partial(_derive_value, key, tally_key, value)
    return [counting, metric_types.DerivedMetricComputation(keys=[key], result=result)]


def _derive_value(
    key: metric_types.MetricKey,
    tally_key: metric_types.MetricKey,
    value: _Value,
    metrics: metric_types.MetricsDict,
) -> metric_types.MetricsDict:
    return {key: value(key, metrics[tally_key])}


_Prediction = tuple[int, np.ndarray, bytes]
"""A label, probabilities [10], and the PNG, which is empty where they are right."""


class _Predictions(metric_types.Preprocessor):
    """Picks the prediction of one model, once for all slices of an example."""

    def __init__(self, model_name: str, eval_config: config_pb2.EvalConfig | None) -> None:
        super().__init__(name=f"prediction of {model_name}")
        self._model_name = model_name
        self._eval_config = eval_config

    def process(self, extracts: dict[str, Any]) -> Iterator[_Prediction]:
        inputs = metric_util.to_standard_metric_inputs(extracts)
        image = extracts[constants.FEATURES_KEY][features.IMAGE]
        for label, probabilities, _ in metric_util.to_label_prediction_example_weight(
            inputs, eval_config=self._eval_config, model_name=self._model_name, flatten=False
        ):
            is_right = probabilities.argmax() == label.item()
            yield int(label.item()), probabilities, b"" if is_right else np.ravel(image)[0]


class _Counted:
    """Predictions: the sum of most of them, and a batch that is not in it yet.

    Few predictions take less room than a tally, and confidence intervals hold hundreds of
    accumulators a slice.
    """

    def __init__(self) -> None:
        self._sum: _Sum | None = None
        self._batch: list[_Prediction] = []

    def add(self, predictions: Iterable[_Prediction]) -> None:
        self._batch += predictions
        if len(self._batch) >= _BATCH:
            self._sum, self._batch = self.settle(), []

    def merge(self, other: "_Counted") -> None:
        if other._sum is not None:
            self._sum = other._sum if self._sum is None else _add(self._sum, other._sum)
        self.add(other._batch)

    def settle(self) -> _Sum:
        """The sum of all."""
        counted = _Sum(tally.empty(), ()) if self._sum is None else self._sum
        if not self._batch:
            return counted
        labels, probabilities, pngs = zip(*self._batch, strict=True)
        batch = np.array(labels), np.stack(probabilities)
        return _add(counted, _Sum(tally.count(*batch), mistakes.find(*batch, pngs)))


def _add(one: _Sum, other: _Sum) -> _Sum:
    return _Sum(one.tally.plus(other.tally), mistakes.choose([*one.worst, *other.worst]))


class _Count(beam.CombineFn):
    """Counts the predictions of one model in one slice."""

    def __init__(self, key: metric_types.MetricKey) -> None:
        self._key = key

    def create_accumulator(self) -> _Counted:
        return _Counted()

    def add_input(self, accumulator: _Counted, prediction: _Prediction) -> _Counted:
        accumulator.add([prediction])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Counted]) -> _Counted:
        merged = _Counted()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: _Counted) -> dict[metric_types.MetricKey, _Sum]:
        return {self._key: accumulator.settle()}
