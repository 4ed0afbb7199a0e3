"""Metrics for TFMA that share one tally: the EvalConfig names them by this module.

TFMA counts once for each model and slice, however many of these there are. A figure of a
slice that has a prediction that is not a number is not a number either.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

from components.evaluation import tally
from components.evaluation.tally import Tally

EXAMPLES = "example_count"
"""As TFMA's own, by which its views sort out small slices."""

CONFUSION = "confusion"

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


def _confusion(
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    key = metric_types.PlotKey(name, model_name=model_name, example_weighted=example_weighted)
    return _derive(key, _to_plot, eval_config)


def _to_figure(key: metric_types.MetricKey, counted: Tally) -> float:
    if counted.invalid:
        return np.nan
    if key.sub_key is None:
        return tally.FIGURES[key.name](counted)
    return tally.CLASS_FIGURES[key.name](counted, key.sub_key.class_id)


def _to_examples(key: metric_types.MetricKey, counted: Tally) -> int:
    return counted.examples


def _to_plot(
    key: metric_types.MetricKey, counted: Tally
) -> metrics_for_slice_pb2.MultiClassConfusionMatrixAtThresholds:
    plot = metrics_for_slice_pb2.MultiClassConfusionMatrixAtThresholds()
    matrix = plot.matrices.add(threshold=0.0)
    for (truth, guess), examples in np.ndenumerate(counted.confusion):
        matrix.entries.add(
            actual_class_id=truth, predicted_class_id=guess, num_weighted_examples=examples
        )
    return plot


_Value = Callable[[metric_types.MetricKey, Tally], Any]


def _derive(
    key: metric_types.MetricKey, value: _Value, eval_config: config_pb2.EvalConfig | None
) -> metric_types.MetricComputations:
    """Computes a value from the model's tally, which TFMA counts once for all that ask."""
    tally_key = metric_types.MetricKey(_TALLY, model_name=key.model_name)
    counting = metric_types.MetricComputation(
        keys=[tally_key],
        preprocessors=[_Prediction(key.model_name, eval_config)],
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


class _Prediction(metric_types.Preprocessor):
    """Picks label and probabilities of one model, once for all slices of an example."""

    def __init__(self, model_name: str, eval_config: config_pb2.EvalConfig | None) -> None:
        super().__init__(name=f"prediction of {model_name}")
        self._model_name = model_name
        self._eval_config = eval_config

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
        inputs = metric_util.to_standard_metric_inputs(extracts)
        for label, probabilities, _ in metric_util.to_label_prediction_example_weight(
            inputs, eval_config=self._eval_config, model_name=self._model_name, flatten=False
        ):
            yield int(label.item()), probabilities


class _Counted:
    """Predictions: a tally of most of them, and a batch that is not in it yet.

    Few predictions take less room than a tally, and confidence intervals hold hundreds of
    accumulators a slice.
    """

    def __init__(self) -> None:
        self._tally: Tally | None = None
        self._labels: list[int] = []
        self._probabilities: list[np.ndarray] = []

    def add(self, labels: list[int], probabilities: list[np.ndarray]) -> None:
        self._labels += labels
        self._probabilities += probabilities
        if len(self._labels) >= _BATCH:
            self._tally = self.settle()
            self._labels, self._probabilities = [], []

    def merge(self, other: "_Counted") -> None:
        if other._tally is not None:
            self._tally = other._tally if self._tally is None else self._tally.plus(other._tally)
        self.add(other._labels, other._probabilities)

    def settle(self) -> Tally:
        """The tally of all."""
        counted = tally.empty() if self._tally is None else self._tally
        if not self._labels:
            return counted
        return counted.plus(tally.count(np.array(self._labels), np.stack(self._probabilities)))


class _Count(beam.CombineFn):
    """Counts the predictions of one model in one slice."""

    def __init__(self, key: metric_types.MetricKey) -> None:
        self._key = key

    def create_accumulator(self) -> _Counted:
        return _Counted()

    def add_input(self, accumulator: _Counted, prediction: tuple[int, np.ndarray]) -> _Counted:
        label, probabilities = prediction
        accumulator.add([label], [probabilities])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Counted]) -> _Counted:
        merged = _Counted()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: _Counted) -> dict[metric_types.MetricKey, Tally]:
        return {self._key: accumulator.settle()}
