"""What the Evaluator computes and what a model must reach: TFMA's EvalConfig."""

import json

# Where both stacks have it: TFMA 0.52 no longer exports EvalConfig from its top.
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import metrics, slicing, tally
from pipeline import config
from trainer_module import features, served

EXTRACTORS = "components.evaluation.extractors"
"""The module with the extractors of the slices, as the Evaluator takes it."""

_OVERALL = config_pb2.SlicingSpec()

_ROUNDING = 1e-9
"""What the difference of two shares may be off: 0.713 - 0.763 is a trace below -0.05."""

_INTERVALS = {
    "jackknife": config_pb2.ConfidenceIntervalOptions.JACKKNIFE,
    "bootstrap": config_pb2.ConfidenceIntervalOptions.POISSON_BOOTSTRAP,
}


def build_eval_config(settings: config.Evaluation) -> config_pb2.EvalConfig:
    """Builds the evaluation of the default serving signature on raw examples.

    Args:
        settings: the thresholds, and how confidence intervals are estimated.

    Returns:
        Metrics in each slice; those of a class against the rest are binarized. The
        thresholds hold overall, since one without a slice would hold for every slice.
    """
    slices = (features.LABEL, *slicing.PARTS)
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=served.SERVING_DEFAULT,
                label_key=features.LABEL,
                prediction_key=served.PROBABILITIES,
            )
        ],
        slicing_specs=[_OVERALL, *(config_pb2.SlicingSpec(feature_keys=[key]) for key in slices)],
        metrics_specs=[
            _overall_metrics(settings),
            *(_class_metrics(settings, label) for label in range(features.NUM_CLASSES)),
        ],
        options=_options(settings.confidence_intervals),
    )


def build_figures_config(settings: config.Evaluation) -> config_pb2.EvalConfig:
    """Builds the same evaluation without a threshold, for figures that decide nothing.

    Args:
        settings: how confidence intervals are estimated.
    """
    built = build_eval_config(settings)
    for metric in (metric for spec in built.metrics_specs for metric in spec.metrics):
        metric.ClearField("per_slice_thresholds")
    return built


def read_settings(eval_config: config_pb2.EvalConfig) -> dict[str, float | str | None]:
    """Reads back which settings an evaluation was built from.

    Args:
        eval_config: what `build_eval_config` returned.

    Returns:
        The settings by name, floors of classes by `min_recall.Shirt` and the like; a bound that
        is always met is 0, a drop 1.
    """
    intervals = {method: name for name, method in _INTERVALS.items()}
    computed = eval_config.options.compute_confidence_intervals.value
    method = eval_config.options.confidence_intervals.method
    found: dict[str, float | str | None] = {
        "confidence_intervals": intervals[method] if computed else "none"
    }
    for spec in eval_config.metrics_specs:
        of_class = [f".{features.CLASS_NAMES[label]}" for label in spec.binarize.class_ids.values]
        for metric in spec.metrics:
            found |= _read_bounds(metric, of_class[0] if of_class else "")
    return found


def _read_bounds(metric: config_pb2.MetricConfig, of_class: str) -> dict[str, float | None]:
    name = json.loads(metric.config)["name"]
    [threshold] = [one.threshold for one in metric.per_slice_thresholds] or [
        config_pb2.MetricThreshold()
    ]
    value, change = threshold.value_threshold, threshold.change_threshold
    drop = round(-change.absolute.value - _ROUNDING, 12) if change.HasField("absolute") else 1.0
    if name == "loss" and not of_class:
        return {"max_loss": value.upper_bound.value if value.HasField("upper_bound") else None}
    if name == "accuracy" and not of_class:
        return {"min_accuracy": value.lower_bound.value, "max_accuracy_drop": drop}
    if name == "recall" and of_class:
        return {f"min_recall{of_class}": value.lower_bound.value, "max_recall_drop": drop}
    if name == "f1" and of_class:
        return {f"min_f1{of_class}": value.lower_bound.value}
    return {}


def _overall_metrics(settings: config.Evaluation) -> config_pb2.MetricsSpec:
    thresholds = {
        "accuracy": _threshold(minimum=settings.min_accuracy, drop=settings.max_accuracy_drop),
        "loss": _threshold(maximum=settings.max_loss),
    }
    return config_pb2.MetricsSpec(
        metrics=[
            _metric(metrics.Examples, metrics.EXAMPLES),
            _metric(metrics.ConfusionMatrix, metrics.CONFUSION),
            _metric(metrics.Mistakes, metrics.MISTAKES),
            *(_metric(metrics.Figure, name, thresholds.get(name)) for name in tally.FIGURES),
        ]
    )


def _class_metrics(settings: config.Evaluation, label: int) -> config_pb2.MetricsSpec:
    name = features.CLASS_NAMES[label]
    recall, f1 = (
        floors.get(name, floors[config.DEFAULT])
        for floors in (settings.min_recall, settings.min_f1)
    )
    thresholds = {
        "recall": _threshold(minimum=recall, drop=settings.max_recall_drop),
        "f1": _threshold(minimum=f1),
    }
    return config_pb2.MetricsSpec(
        binarize=config_pb2.BinarizationOptions(
            class_ids=config_pb2.RepeatedInt32Value(values=[label])
        ),
        metrics=[
            _metric(metrics.Figure, figure, thresholds.get(figure))
            for figure in tally.CLASS_FIGURES
        ],
    )


def _metric(
    kind: type, name: str, threshold: config_pb2.MetricThreshold | None = None
) -> config_pb2.MetricConfig:
    thresholds = (
        [config_pb2.PerSliceMetricThreshold(slicing_specs=[_OVERALL], threshold=threshold)]
        if threshold
        else []
    )
    return config_pb2.MetricConfig(
        class_name=kind.__name__,
        module=kind.__module__,
        config=json.dumps({"name": name}),
        per_slice_thresholds=thresholds,
    )


def _threshold(
    minimum: float = 0.0, maximum: float | None = None, drop: float = 1.0
) -> config_pb2.MetricThreshold:
    """A floor of 0 and a drop of 1 are always met, and left out: also by what is no number."""
    threshold = config_pb2.MetricThreshold()
    if minimum > 0:
        threshold.value_threshold.lower_bound.value = minimum
    if maximum is not None:
        threshold.value_threshold.upper_bound.value = maximum
    if drop < 1:
        threshold.change_threshold.direction = config_pb2.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -drop - _ROUNDING
    return threshold


def _options(intervals: str) -> config_pb2.Options:
    options = config_pb2.Options()
    if intervals in _INTERVALS:
        options.compute_confidence_intervals.value = True
        options.confidence_intervals.method = _INTERVALS[intervals]
    return options
