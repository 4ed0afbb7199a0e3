"""What the Evaluator computes and what a model must reach: TFMA's EvalConfig."""

# Where both stacks have it: TFMA 0.52 no longer exports EvalConfig from its top.
from tensorflow_model_analysis.proto import config_pb2

from pipeline import config
from trainer_module import features

ACCURACY = "accuracy"
LOSS = "loss"
EXAMPLE_COUNT = "example_count"
CONFUSION_MATRIX = "confusion_matrix"


def build_eval_config(settings: config.Evaluation) -> config_pb2.EvalConfig:
    """Builds the evaluation of the default serving signature on raw examples.

    Args:
        settings: the thresholds.

    Returns:
        Metrics overall and for each class; the confusion matrix comes as a plot. The
        thresholds name their slices, since one without would hold for every slice.
    """
    overall = config_pb2.SlicingSpec()
    by_class = config_pb2.SlicingSpec(feature_keys=[features.LABEL])
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="serving_default",
                label_key=features.LABEL,
                prediction_key="probabilities",
            )
        ],
        slicing_specs=[overall, by_class],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    _metric("ExampleCount", EXAMPLE_COUNT),
                    _metric("SparseCategoricalCrossentropy", LOSS),
                    _metric("MultiClassConfusionMatrixPlot", CONFUSION_MATRIX),
                    _metric(
                        "SparseCategoricalAccuracy",
                        ACCURACY,
                        config_pb2.PerSliceMetricThreshold(
                            slicing_specs=[overall],
                            threshold=_threshold(settings.min_accuracy, settings.max_accuracy_drop),
                        ),
                        config_pb2.PerSliceMetricThreshold(
                            slicing_specs=[by_class],
                            threshold=_threshold(settings.min_class_accuracy),
                        ),
                    ),
                ]
            )
        ],
    )


def _metric(
    class_name: str, name: str, *thresholds: config_pb2.PerSliceMetricThreshold
) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(
        class_name=class_name, config=f'{{"name": "{name}"}}', per_slice_thresholds=thresholds
    )


def _threshold(minimum: float, max_drop: float | None = None) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": minimum})
    )
    if max_drop is not None:
        threshold.change_threshold.direction = config_pb2.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -max_drop
    return threshold
