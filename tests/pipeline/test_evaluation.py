import json

import pytest
from google.protobuf import json_format
from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import config_util

from components.evaluation.figures import ClassMetrics, OverallMetrics
from pipeline import config, evaluation
from trainer_module import features

SETTINGS = config.Evaluation(
    min_accuracy=0.8,
    max_loss=0.6,
    min_recall={"default": 0.7, "Shirt": 0.4, "Bag": 0},
    min_f1={"default": 0.6, "Shirt": 0.3},
    max_accuracy_drop=0.03,
    max_recall_drop=0.07,
)

OVERALL = config_pb2.SlicingSpec()


@pytest.fixture(scope="module")
def built():
    return evaluation.build_eval_config(SETTINGS)


def thresholds(built):
    """Bounds and drops by metric and, where it has one, class."""
    found = metric_specs.metric_thresholds_from_metrics_specs(
        built.metrics_specs, eval_config=built
    )
    named = {}
    for key, bounds in found.items():
        where = (features.CLASS_NAMES[key.sub_key.class_id],) if key.sub_key else ()
        for slicing_spec, threshold in bounds:
            assert slicing_spec == OVERALL
            named[(*where, key.name, "drop" if key.is_diff else "bound")] = threshold
    return named


def test_slices_are_overall_by_class_and_by_what_no_label_gives(built):
    keys = [list(spec.feature_keys) for spec in built.slicing_specs]
    assert keys == [[], [features.LABEL], ["ink"], ["brightness"], ["group"]]


def test_served_signature_is_evaluated_on_raw_examples(built):
    [model] = built.model_specs
    assert model.signature_name == "serving_default"
    assert model.label_key == features.LABEL
    assert model.prediction_key == "probabilities"
    assert not model.preprocessing_function_names


def test_metrics_are_those_that_are_read(built):
    names = [
        {json.loads(metric.config)["name"] for metric in spec.metrics}
        for spec in built.metrics_specs
    ]
    overall = set(OverallMetrics.model_fields) - {"examples", "intervals"}
    assert names[0] == overall | {"example_count", "confusion", "mistakes"}
    own = {"precision", "recall", "f1", "auc"}
    assert own - {"recall"} <= set(ClassMetrics.model_fields)
    assert names[1:] == [own] * features.NUM_CLASSES


def test_every_threshold_is_there_with_its_bound(built):
    found = thresholds(built)
    assert found["accuracy", "bound"].lower_bound.value == 0.8
    assert found["loss", "bound"].upper_bound.value == 0.6
    assert not found["loss", "bound"].HasField("lower_bound")
    assert found["Dress", "recall", "bound"].lower_bound.value == 0.7
    assert found["Shirt", "recall", "bound"].lower_bound.value == 0.4
    assert found["Dress", "f1", "bound"].lower_bound.value == 0.6
    assert found["Shirt", "f1", "bound"].lower_bound.value == 0.3


def test_the_same_figures_can_be_had_without_a_threshold(built):
    settings = config.Evaluation(confidence_intervals="jackknife")
    figures = evaluation.build_figures_config(settings)
    assert "threshold" not in str(figures)
    names = [[one.config for one in spec.metrics] for spec in figures.metrics_specs]
    assert names == [[one.config for one in spec.metrics] for spec in built.metrics_specs]
    assert figures.slicing_specs == built.slicing_specs
    assert figures.options.compute_confidence_intervals.value


def test_a_floor_of_zero_is_no_threshold(built):
    floors = {key[0] for key in thresholds(built) if key[1:] == ("recall", "bound")}
    assert floors == set(features.CLASS_NAMES) - {"Bag"}


def test_accuracy_and_recall_may_drop_only_so_far_below_the_baseline(built):
    drops = {key[:-1]: one for key, one in thresholds(built).items() if key[-1] == "drop"}
    assert set(drops) == {("accuracy",), *((name, "recall") for name in features.CLASS_NAMES)}
    for key, change in drops.items():
        assert change.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
        allowed = -0.03 if key == ("accuracy",) else -0.07
        assert change.absolute.value == pytest.approx(allowed, abs=1e-8)
        assert not change.HasField("relative")


def test_no_drop_allowed_is_a_threshold_too():
    built = evaluation.build_eval_config(config.Evaluation(max_accuracy_drop=0))
    change = thresholds(built)["accuracy", "drop"]
    assert change.HasField("absolute")
    assert change.absolute.value == pytest.approx(0, abs=1e-8)


def test_a_drop_of_just_what_is_allowed_is_met_whatever_it_is_rounded_to():
    change = thresholds(evaluation.build_eval_config(config.Evaluation(max_recall_drop=0.05)))
    assert 0.713 - 0.763 < -0.05
    assert change["Shirt", "recall", "drop"].absolute.value <= 0.713 - 0.763
    assert change["Shirt", "recall", "drop"].absolute.value > 0.7129 - 0.763


def test_every_drop_allowed_is_no_threshold():
    built = evaluation.build_eval_config(config.Evaluation(max_accuracy_drop=1, max_recall_drop=1))
    assert not [key for key in thresholds(built) if key[-1] == "drop"]


@pytest.mark.parametrize(
    ("method", "computed", "name"),
    [
        ("none", False, None),
        ("jackknife", True, "JACKKNIFE"),
        ("bootstrap", True, "POISSON_BOOTSTRAP"),
    ],
)
def test_confidence_intervals_are_computed_where_asked_for(method, computed, name):
    built = evaluation.build_eval_config(config.Evaluation(confidence_intervals=method))
    options = built.options
    assert options.compute_confidence_intervals.value is computed
    if name:
        methods = config_pb2.ConfidenceIntervalOptions.ConfidenceIntervalMethod
        assert options.confidence_intervals.method == methods.Value(name)


@pytest.mark.parametrize("has_baseline", [False, True])
def test_tensorflow_model_analysis_accepts_it(built, has_baseline):
    # As the Evaluator does it, by way of JSON.
    given = json_format.Parse(json_format.MessageToJson(built), config_pb2.EvalConfig())
    completed = config_util.update_eval_config_with_defaults(
        given, has_baseline=has_baseline, rubber_stamp=True
    )
    config_util.verify_eval_config(completed)
    assert [spec.is_baseline for spec in completed.model_specs] == [False, True][: 1 + has_baseline]
