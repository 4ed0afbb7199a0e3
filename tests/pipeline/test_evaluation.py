import json

import pytest
from google.protobuf import json_format
from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import config_util

from pipeline import config, evaluation
from trainer_module import features

SETTINGS = config.Evaluation(min_accuracy=0.8, min_class_accuracy=0.4, max_accuracy_drop=0.03)

OVERALL = config_pb2.SlicingSpec()
BY_CLASS = config_pb2.SlicingSpec(feature_keys=[features.LABEL])


@pytest.fixture(scope="module")
def built():
    return evaluation.build_eval_config(SETTINGS)


@pytest.fixture(scope="module")
def metrics(built):
    """The metrics by the name that their figures go by."""
    [spec] = built.metrics_specs
    return {json.loads(metric.config)["name"]: metric for metric in spec.metrics}


@pytest.fixture(scope="module")
def thresholds(metrics):
    """The thresholds of the accuracy by the slice that they hold for."""
    return {
        tuple(slicing.feature_keys): one.threshold
        for one in metrics[evaluation.ACCURACY].per_slice_thresholds
        for slicing in one.slicing_specs
    }


def test_slices_are_overall_and_by_class(built):
    assert list(built.slicing_specs) == [OVERALL, BY_CLASS]


def test_served_signature_is_evaluated_on_raw_examples(built):
    [model] = built.model_specs
    assert model.signature_name == "serving_default"
    assert model.label_key == features.LABEL
    assert model.prediction_key == "probabilities"
    assert not model.preprocessing_function_names


def test_metrics_are_those_that_are_read_and_shown(metrics):
    assert {name: metric.class_name for name, metric in metrics.items()} == {
        "accuracy": "SparseCategoricalAccuracy",
        "loss": "SparseCategoricalCrossentropy",
        "example_count": "ExampleCount",
        "confusion_matrix": "MultiClassConfusionMatrixPlot",
    }


def test_no_threshold_is_without_a_slice(built):
    for spec in built.metrics_specs:
        assert not spec.thresholds
        for metric in spec.metrics:
            assert not metric.HasField("threshold")
            assert all(one.slicing_specs for one in metric.per_slice_thresholds)


def test_only_the_accuracy_has_thresholds(metrics):
    assert [name for name, metric in metrics.items() if metric.per_slice_thresholds] == ["accuracy"]


def test_accuracy_has_a_threshold_overall_and_one_in_each_class(thresholds):
    assert set(thresholds) == {(), (features.LABEL,)}


def test_overall_accuracy_has_its_lower_bound(thresholds):
    bound = thresholds[()].value_threshold
    assert bound.lower_bound.value == SETTINGS.min_accuracy
    assert not bound.HasField("upper_bound")


def test_accuracy_of_each_class_has_its_lower_bound_and_needs_no_baseline(thresholds):
    by_class = thresholds[(features.LABEL,)]
    assert by_class.value_threshold.lower_bound.value == SETTINGS.min_class_accuracy
    assert not by_class.value_threshold.HasField("upper_bound")
    assert not by_class.HasField("change_threshold")


def test_overall_accuracy_may_drop_only_so_far_below_the_baseline(thresholds):
    change = thresholds[()].change_threshold
    assert change.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
    assert change.absolute.value == -SETTINGS.max_accuracy_drop
    assert not change.HasField("relative")


def test_no_drop_allowed_is_a_threshold_too():
    built = evaluation.build_eval_config(config.Evaluation(max_accuracy_drop=0))
    [overall] = [
        one.threshold
        for metric in built.metrics_specs[0].metrics
        for one in metric.per_slice_thresholds
        if one.threshold.HasField("change_threshold")
    ]
    assert overall.change_threshold.HasField("absolute")
    assert overall.change_threshold.absolute.value == 0


@pytest.mark.parametrize("has_baseline", [False, True])
def test_tensorflow_model_analysis_accepts_it(built, has_baseline):
    # As the Evaluator does it, by way of JSON.
    given = json_format.Parse(json_format.MessageToJson(built), config_pb2.EvalConfig())
    completed = config_util.update_eval_config_with_defaults(
        given, has_baseline=has_baseline, rubber_stamp=True
    )
    config_util.verify_eval_config(completed)
    assert [spec.is_baseline for spec in completed.model_specs] == [False, True][: 1 + has_baseline]


def test_model_is_validated(built):
    # Without thresholds that it finds, the Evaluator blesses nothing and says nothing.
    found = metric_specs.metric_thresholds_from_metrics_specs(
        built.metrics_specs, eval_config=built
    )
    assert {key.name for key in found} == {evaluation.ACCURACY}
