"""Reads what the Evaluator wrote, through TFMA's own loaders."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.results import (
    OVERALL,
    ClassMetrics,
    Evaluation,
    Figures,
    Metrics,
    Miss,
    OverallMetrics,
)
from trainer_module import features

_ALL_EXAMPLES = ()


def read_evaluation(directory: str) -> Evaluation:
    """Reads the figures of the candidate and of the baseline, and the verdict.

    Args:
        directory: an `evaluation` artifact's.

    Returns:
        Figures overall and for each class that the test split has.
    """
    specs = tfma.load_eval_result(directory).config.model_specs
    # TFMA names the models only where a baseline stands beside the candidate.
    names = {spec.is_baseline: spec.name for spec in specs}
    candidate = _read_figures(directory, names[False])
    validation = tfma.load_validation_result(directory)
    return Evaluation(
        **dict(candidate),
        blessed=validation.validation_ok,
        misses=_read_misses(validation),
        notes=_notes(candidate, has_baseline=True in names),
        baseline=_read_figures(directory, names[True]) if True in names else None,
    )


def _read_figures(directory: str, model_name: str) -> Figures:
    result = tfma.load_eval_result(directory, model_name=model_name)
    values = {slice_key: _values(outputs) for slice_key, outputs in result.slicing_metrics}
    [confusion] = [
        _confusion(outputs) for slice_key, outputs in result.plots if slice_key == _ALL_EXAMPLES
    ]
    classes = {
        name: _class_metrics(label, values[((features.LABEL, label),)], confusion)
        for label, name in enumerate(features.CLASS_NAMES)
        if ((features.LABEL, label),) in values
    }
    return Figures(
        overall=_overall_metrics(values[_ALL_EXAMPLES], list(classes.values())),
        classes=classes,
        confusion=confusion.tolist(),
    )


def _values(outputs: Mapping) -> dict[str, float]:
    return {name: float(value["doubleValue"]) for name, value in outputs[""][""].items()}


def _metrics(values: Mapping[str, float]) -> Metrics:
    return Metrics(
        examples=round(values["example_count"]),
        accuracy=values["accuracy"],
        loss=values["loss"],
        top_2_accuracy=math.nan,
        calibration_error=math.nan,
    )


def _confusion(outputs: Mapping) -> np.ndarray:
    """Counts int64 [true label, predicted label]."""
    matrix = np.zeros([features.NUM_CLASSES] * 2, np.int64)
    [at_threshold] = outputs[""][""]["multiClassConfusionMatrixAtThresholds"]["matrices"]
    for entry in at_threshold["entries"]:
        cell = entry.get("actualClassId", 0), entry.get("predictedClassId", 0)
        matrix[cell] = round(entry["numWeightedExamples"])
    return matrix


def _overall_metrics(
    values: Mapping[str, float], classes: Sequence[ClassMetrics]
) -> OverallMetrics:
    return OverallMetrics(
        **_metrics(values).model_dump(),
        # As in scikit-learn, a class that was never predicted has a precision of 0 here.
        macro_precision=np.mean([one.precision or 0.0 for one in classes]),
        macro_recall=np.mean([one.accuracy for one in classes]),
        macro_f1=np.mean([one.f1 for one in classes]),
        macro_auc=None,
    )


def _class_metrics(label: int, values: Mapping[str, float], confusion: np.ndarray) -> ClassMetrics:
    metrics = _metrics(values)
    predicted, hits = confusion[:, label].sum(), confusion[label, label]
    mistakes = confusion[label].copy()
    mistakes[label] = 0
    return ClassMetrics(
        **metrics.model_dump(),
        precision=hits / predicted if predicted else None,
        f1=2 * hits / (predicted + metrics.examples),
        auc=None,
        most_confused_with=(features.CLASS_NAMES[mistakes.argmax()] if mistakes.any() else None),
    )


def _notes(figures: Figures, *, has_baseline: bool) -> list[str]:
    notes = [
        f"the test split has no {name}"
        for name in features.CLASS_NAMES
        if name not in figures.classes
    ]
    if not has_baseline:
        notes.append("there is no baseline yet: no drop against one was looked for")
    return notes


def _read_misses(validation: validation_result_pb2.ValidationResult) -> list[Miss]:
    return [
        _miss(failure, _slice_name(one.slice_key))
        for one in validation.metric_validations_per_slice
        for failure in one.failures
    ]


def _slice_name(slice_key) -> str:
    if not slice_key.single_slice_keys:
        return OVERALL
    [key] = slice_key.single_slice_keys
    return features.CLASS_NAMES[key.int64_value]


def _miss(failure: validation_result_pb2.ValidationFailure, where: str) -> Miss:
    value = failure.metric_value.double_value.value
    if failure.metric_key.is_diff:
        kind, value = "drop", -value
        bound = -failure.metric_threshold.change_threshold.absolute.value
    else:
        kind = "floor"
        bound = failure.metric_threshold.value_threshold.lower_bound.value
    known = not math.isnan(value)
    return Miss(
        metric=failure.metric_key.name,
        slice=where,
        kind=kind,
        value=value if known else None,
        bound=bound,
        by=abs(value - bound) if known else None,
    )
