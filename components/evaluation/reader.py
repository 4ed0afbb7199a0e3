"""Reads what the Evaluator wrote, through TFMA's own loaders."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow import errors
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation import metrics, mistakes, slicing
from components.evaluation.figures import (
    OVERALL,
    ClassMetrics,
    Evaluation,
    EvaluationError,
    Figures,
    Metrics,
    Miss,
    OverallMetrics,
)
from components.evaluation.mistakes import Mistake
from trainer_module import features

_Model = TypeVar("_Model", bound=Metrics)

# TFMA's slice of all examples.
_ALL = ()

_REMEDY = "run the Evaluator again, with `--from-node Evaluator --no-cache`"

# The files without which there is nothing to read; TFMA writes them last.
_FIGURES = ("eval_config.json", "metrics", "plots")
_FILES = (*_FIGURES, "validations")


def read_evaluation(directory: str) -> Evaluation:
    """Reads the figures of the candidate and of the baseline, and the verdict.

    Args:
        directory: an `evaluation` artifact's.

    Returns:
        Figures overall, for each class and for each part that the test split has.

    Raises:
        EvaluationError: the evaluation was cut off, or there was nothing to evaluate.
    """
    with _whole(directory, _FILES):
        return _read(directory)


def read_figures(directory: str) -> Figures:
    """Reads the figures of the candidate alone, as of an evaluation that judges nothing.

    Args:
        directory: an `evaluation` artifact's.

    Raises:
        EvaluationError: as of `read_evaluation`.
    """
    with _whole(directory, _FIGURES):
        return _read_figures(directory, _name_models(directory)[False])


def read_mistakes(directory: str) -> list[Mistake]:
    """Reads the mistakes that the candidate is most sure of, the surest first.

    Args:
        directory: an `evaluation` artifact's.

    Returns:
        At most `mistakes.KEPT`; none of an evaluation that was made before these were kept.

    Raises:
        EvaluationError: as of `read_evaluation`.
    """
    with _whole(directory, _FIGURES):
        result = tfma.load_eval_result(directory, model_name=_name_models(directory)[False])
        overall = dict(result.attributions)[_ALL]
        kept = overall[""][""].get(metrics.MISTAKES, {}) if overall else {}
        texts = kept.get(features.IMAGE, {}).get("arrayValue", {}).get("bytesValues", [])
        # In JSON, protocol buffers write bytes so.
        return mistakes.from_texts([base64.b64decode(text).decode() for text in texts])


@contextmanager
def _whole(directory: str, files: Sequence[str]) -> Iterator[None]:
    """Within it, an evaluation is read that has these files.

    Raises:
        EvaluationError: it has not, or they can't be read.
    """
    # TFMA adds the number and the format of each file to these names.
    missing = [name for name in files if not list(Path(directory).glob(f"{name}*"))]
    if missing:
        raise EvaluationError(
            f"The evaluation in {directory} was cut off, it has no {missing[0]}: {_REMEDY}."
        )
    try:
        yield
    except (KeyError, ValueError, json_format.Error, errors.OpError) as error:
        raise EvaluationError(
            f"The evaluation in {directory} is damaged, or of an earlier version of this project: "
            f"{_REMEDY}."
        ) from error


def _read(directory: str) -> Evaluation:
    names = _name_models(directory)
    candidate = _read_figures(directory, names[False])
    validation = tfma.load_validation_result(directory)
    return Evaluation(
        **dict(candidate),
        blessed=validation.validation_ok,
        misses=[_miss(failure) for failure in _failures(validation)],
        notes=list(_notes(candidate, has_baseline=True in names)),
        baseline=_read_figures(directory, names[True]) if True in names else None,
    )


def _name_models(directory: str) -> dict[bool, str]:
    """What TFMA calls the models, by whether one is the baseline."""
    specs = tfma.load_eval_result(directory).config.model_specs
    # It names them only where a baseline stands beside the candidate.
    return {spec.is_baseline: spec.name for spec in specs}


def _read_figures(directory: str, model_name: str) -> Figures:
    result = tfma.load_eval_result(directory, model_name=model_name)
    slices = {slice_key: outputs[""] for slice_key, outputs in result.slicing_metrics}
    if _ALL not in slices:
        raise EvaluationError(
            f"The evaluation in {directory} has no examples: the test split is empty."
        )
    [confusion] = [_confusion(outputs[""][""]) for key, outputs in result.plots if key == _ALL]
    overall = slices[_ALL]
    return Figures(
        overall=_fill(OverallMetrics, overall[""]),
        classes={
            name: _fill(
                ClassMetrics,
                {**overall[f"classId:{label}"], **slices[slice_key][""]},
                most_confused_with=_most_confused_with(confusion, label),
            )
            for label, name in enumerate(features.CLASS_NAMES)
            if (slice_key := _slice_key(features.LABEL, label)) in slices
        },
        slices={
            cut: {
                part: _fill(Metrics, slices[slice_key][""])
                for part in parts
                if (slice_key := _slice_key(cut, part)) in slices
            }
            for cut, parts in slicing.PARTS.items()
        },
        confusion=confusion.tolist(),
    )


def _slice_key(feature: str, value: str | int) -> tuple[tuple[str, str | int], ...]:
    """A slice as TFMA names it."""
    return ((feature, value),)


def _fill(model: type[_Model], outputs: Mapping[str, Mapping], **more: object) -> _Model:
    """Makes figures of TFMA's values by name, with the intervals of those that have one."""
    known = {name: outputs[name] for name in model.model_fields if name in outputs}
    intervals = {
        name: _interval(value["boundedValue"])
        for name, value in known.items()
        if "boundedValue" in value
    }
    values = {name: _number(value) for name, value in known.items()}
    examples = _number(outputs[metrics.EXAMPLES])
    return model(**values, examples=examples, intervals=intervals, **more)


def _number(value: Mapping[str, Any]) -> float:
    if "boundedValue" in value:
        # In JSON, protocol buffers leave a 0 out.
        return float(value["boundedValue"].get("value", 0))
    return float(value["doubleValue"])


def _interval(bounded: Mapping[str, Any]) -> tuple[float, float]:
    return float(bounded.get("lowerBound", 0)), float(bounded.get("upperBound", 0))


def _confusion(outputs: Mapping[str, Mapping]) -> np.ndarray:
    """Counts int64 [true label, predicted label]."""
    matrix = np.zeros([features.NUM_CLASSES] * 2, np.int64)
    [at_threshold] = outputs["multiClassConfusionMatrixAtThresholds"]["matrices"]
    for entry in at_threshold["entries"]:
        cell = entry.get("actualClassId", 0), entry.get("predictedClassId", 0)
        matrix[cell] = entry.get("numWeightedExamples", 0)
    return matrix


def _most_confused_with(confusion: np.ndarray, label: int) -> str | None:
    mistakes = confusion[label].copy()
    mistakes[label] = 0
    return features.CLASS_NAMES[mistakes.argmax()] if mistakes.any() else None


def _notes(figures: Figures, *, has_baseline: bool) -> Iterator[str]:
    if math.isnan(figures.overall.loss):
        yield "some of the model's predictions are not numbers, and no figure is known"
    for name in features.CLASS_NAMES:
        if name not in figures.classes:
            yield f"the test split has no {name}"
    for cut, parts in slicing.PARTS.items():
        for part in parts:
            if part not in figures.slices[cut]:
                yield f"the test split has no image with {cut} {part}"
    if not has_baseline:
        yield "there is no baseline yet, so no figure could drop below one"


def _failures(
    validation: validation_result_pb2.ValidationResult,
) -> Iterator[validation_result_pb2.ValidationFailure]:
    for one in validation.metric_validations_per_slice:
        yield from one.failures


def _miss(failure: validation_result_pb2.ValidationFailure) -> Miss:
    key, value = failure.metric_key, failure.metric_value.double_value.value
    bounds = failure.metric_threshold.value_threshold
    if key.is_diff:
        kind, value = "drop", -value
        # As it was set, without the allowance for rounding.
        bound = round(-failure.metric_threshold.change_threshold.absolute.value, 6)
    elif bounds.HasField("upper_bound"):
        kind, bound = "ceiling", bounds.upper_bound.value
    else:
        kind, bound = "floor", bounds.lower_bound.value
    known = not math.isnan(value)
    by_class = key.HasField("sub_key")
    return Miss(
        metric=key.name,
        slice=features.CLASS_NAMES[key.sub_key.class_id.value] if by_class else OVERALL,
        kind=kind,
        value=value if known else None,
        bound=bound,
        by=abs(value - bound) if known else None,
    )
