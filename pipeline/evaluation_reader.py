"""Reads what the Evaluator wrote, through TFMA's own loaders."""

import math
from collections import Counter
from collections.abc import Mapping

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from pipeline import evaluation
from pipeline.results import ClassMetrics, Evaluation, Metrics
from trainer_module import features

_OVERALL = ()


def read_evaluation(directory: str) -> Evaluation:
    """Reads the figures of the candidate and the verdict on it.

    Args:
        directory: an `evaluation` artifact's.

    Returns:
        Figures overall and for each class that the test split has.
    """
    model_name = _candidate_name(directory)
    result = tfma.load_eval_result(directory, model_name=model_name)
    metrics = {slice_key: _metrics(outputs) for slice_key, outputs in result.slicing_metrics}
    [confusion] = [
        _confusion(outputs) for slice_key, outputs in result.plots if slice_key == _OVERALL
    ]
    validation = tfma.load_validation_result(directory)
    return Evaluation(
        overall=metrics[_OVERALL],
        classes={
            name: _class_metrics(label, metrics[((features.LABEL, label),)], confusion)
            for label, name in enumerate(features.CLASS_NAMES)
            if ((features.LABEL, label),) in metrics
        },
        blessed=validation.validation_ok,
        reasons=_reasons(validation),
    )


def _candidate_name(directory: str) -> str:
    """TFMA names the candidate only where a baseline stands beside it."""
    specs = tfma.load_eval_result(directory).config.model_specs
    return next((spec.name for spec in specs if not spec.is_baseline), "")


def _metrics(outputs: Mapping) -> Metrics:
    values = {name: float(value["doubleValue"]) for name, value in outputs[""][""].items()}
    return Metrics(
        examples=round(values[evaluation.EXAMPLE_COUNT]),
        accuracy=values[evaluation.ACCURACY],
        loss=values[evaluation.LOSS],
    )


def _confusion(outputs: Mapping) -> Counter[tuple[int, int]]:
    """Counts by (true label, predicted label)."""
    [matrix] = outputs[""][""]["multiClassConfusionMatrixAtThresholds"]["matrices"]
    return Counter(
        {
            (entry.get("actualClassId", 0), entry.get("predictedClassId", 0)): round(
                entry["numWeightedExamples"]
            )
            for entry in matrix["entries"]
        }
    )


def _class_metrics(label: int, metrics: Metrics, confusion: Counter) -> ClassMetrics:
    predicted = sum(count for (_, guess), count in confusion.items() if guess == label)
    hits = confusion[label, label]
    mistakes = Counter(
        {guess: count for (truth, guess), count in confusion.items() if truth == label != guess}
    )
    return ClassMetrics(
        **metrics.model_dump(),
        precision=hits / predicted if predicted else None,
        f1=2 * hits / (predicted + metrics.examples) if predicted else None,
        most_confused_with=(
            features.CLASS_NAMES[mistakes.most_common(1)[0][0]] if mistakes else None
        ),
    )


def _reasons(validation: validation_result_pb2.ValidationResult) -> list[str]:
    reasons = [
        _describe(failure, _slice_name(one.slice_key))
        for one in validation.metric_validations_per_slice
        for failure in one.failures
    ]
    missing = len(validation.missing_slices)
    if missing:
        reasons.append(f"the test split lacks {missing} of the slices that have a threshold")
    return reasons


def _slice_name(slice_key) -> str:
    if not slice_key.single_slice_keys:
        return "overall"
    [key] = slice_key.single_slice_keys
    return f"of {features.CLASS_NAMES[key.int64_value]}"


def _describe(failure: validation_result_pb2.ValidationFailure, where: str) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    if math.isnan(value):
        return f"{name} {where} is not a number"
    if failure.metric_key.is_diff:
        allowed = -failure.metric_threshold.change_threshold.absolute.value
        return (
            f"{name} {where} is {-value:.4f} lower than the last blessed model's, and may be "
            f"{allowed:.4f} lower"
        )
    bound = failure.metric_threshold.value_threshold.lower_bound.value
    return f"{name} {where} is {value:.4f} and should be at least {bound:.4f}"
