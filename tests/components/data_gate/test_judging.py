import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.data_gate.findings import Picture
from components.data_gate.judging import Bounds, Shown, judge
from components.image_statistics import findings as image_findings
from components.image_statistics.findings import Sample
from components.split_files import ANOMALIES_FILE, STATISTICS_FILE
from trainer_module import features

BOUNDS = Bounds({"default": "stop", "new_feature": "warn", "repeat": "ignore"}, 0.1, 0.1)
INPUTS = ("anomalies", "image_anomalies", "image_statistics", "skew", "drift")


@pytest.fixture
def judge_data(tmp_path):
    """Judges anomalies, given by input, and what was found in the images."""
    shown = []

    def show(split, anomaly):
        shown.append((split, anomaly and (anomaly.feature, anomaly.too_high, anomaly.bound)))
        return Shown([Picture("iVBO", split)], 3, 400)

    def judge_data(anomalies=(), images=(), bounds=BOUNDS, without=()):
        directories = {name: tmp_path / name for name in (*INPUTS, "image_findings")}
        for directory in directories.values():
            directory.mkdir()
        for given, split, feature, type_name in anomalies:
            write(directories[given] / split, feature, type_name)
        (directories["image_statistics"] / "Split-eval").mkdir()
        statistics = directories["image_statistics"] / "Split-eval" / STATISTICS_FILE
        statistics.write_bytes(judge_data.statistics.SerializeToString())
        file = directories["image_findings"] / image_findings.FINDINGS_FILE
        file.write_text(image_findings.to_json(images))
        for name in without:
            del directories[name]
        return judge(directories, bounds, show)

    judge_data.shown = shown
    judge_data.statistics = statistics_pb2.DatasetFeatureStatisticsList()
    return judge_data


def write(directory, feature, type_name):
    message = anomalies_pb2.Anomalies()
    sign = {"FLOAT_TYPE_BIG_FLOAT": ">", "FLOAT_TYPE_SMALL_FLOAT": "<"}.get(type_name)
    description = f"Unexpectedly high value: 0.5{sign}0.1" if sign else "Something."
    message.anomaly_info[feature].reason.add(type=type_name, description=description)
    directory.mkdir(exist_ok=True)
    (directory / ANOMALIES_FILE).write_bytes(message.SerializeToString())


def images(kind, count, other="train", **sample):
    samples = (Sample("00", **{"png": "iVBO", "classes": ("Bag",), **sample}),)
    return image_findings.Finding(kind, "test", other, count, 100, samples)


def test_data_without_fault_has_no_finding(judge_data):
    assert judge_data() == []


@pytest.mark.parametrize("given", ["anomalies", "image_anomalies"])
def test_anomaly_of_either_validator_is_found(judge_data, given):
    [one] = judge_data([(given, "Split-eval", "label", "SCHEMA_MISSING_COLUMN")])
    assert (one.kind, one.severity, one.feature, one.split) == ("missing", "stop", "label", "eval")


@pytest.mark.parametrize("given", ["skew", "drift"])
def test_split_that_differs_is_found_and_shown(judge_data, given):
    [one] = judge_data([(given, "SplitPair-eval_train", "class", "COMPARATOR_L_INFTY_HIGH")])
    assert (one.kind, one.split, one.pictures) == (given, "eval", [Picture("iVBO", "eval")])


def test_without_data_before_there_is_no_drift(judge_data):
    assert judge_data(without=["drift"]) == []


@pytest.mark.parametrize(
    ("type_name", "highest"), [("FLOAT_TYPE_BIG_FLOAT", True), ("FLOAT_TYPE_SMALL_FLOAT", False)]
)
def test_measure_out_of_bounds_is_shown_by_the_images_that_are_most_so(
    judge_data, type_name, highest
):
    [one] = judge_data([("image_anomalies", "Split-train", "ink", type_name)])
    assert one.pictures
    assert one.found.endswith(" is allowed: 3 of 400 images (0.75 %) are out of bounds")
    assert judge_data.shown == [("train", ("ink", highest, 0.1))]


def test_what_stops_comes_before_what_warns(judge_data):
    found = judge_data(
        [
            ("anomalies", "Split-eval", "extra", "SCHEMA_NEW_COLUMN"),
            ("image_anomalies", "Split-eval", "ink", "SCHEMA_MISSING_COLUMN"),
        ]
    )
    assert [one.severity for one in found] == ["stop", "warn"]


def test_what_is_ignored_is_neither_told_nor_shown(judge_data):
    bounds = Bounds({"default": "ignore"}, 0, 0)
    anomalies = [("drift", "SplitPair-eval_eval", "class", "COMPARATOR_L_INFTY_HIGH")]
    assert judge_data(anomalies, [images("leak", 100)], bounds) == []
    assert judge_data.shown == []


@pytest.mark.parametrize(("kind", "feature"), [("leak", "image"), ("conflict", "label")])
def test_more_images_than_the_bound_are_found_with_count_and_bound(judge_data, kind, feature):
    [one] = judge_data(images=[images(kind, 11)])
    assert (one.kind, one.severity, one.feature, one.split) == (kind, "stop", feature, "test")
    assert one.found.startswith("11 of 100 examples in test (11.00 %) have an image that")
    assert one.found.endswith(", and at most 10.00 % may")


@pytest.mark.parametrize("kind", ["leak", "conflict"])
def test_as_many_as_the_bound_are_let_pass(judge_data, kind):
    assert judge_data(images=[images(kind, 10)]) == []


@pytest.mark.parametrize("kind", ["blank", "undecodable"])
def test_one_image_that_nothing_can_be_learnt_from_is_found(judge_data, kind):
    [one] = judge_data(images=[images(kind, 1, other=None)])
    assert one.found.startswith("1 of 100 examples in test (1.00 %) ha")


def test_image_of_another_split_is_shown_with_its_class_there(judge_data):
    [one] = judge_data(images=[images("leak", 50, other_classes=("Coat", "Shirt"))])
    assert one.pictures == [Picture("iVBO", "Bag, in train Coat and Shirt")]


def test_image_that_can_not_be_decoded_is_not_shown(judge_data):
    [one] = judge_data(images=[images("undecodable", 1, other=None, png="")])
    assert one.pictures == []


@pytest.mark.parametrize(
    ("type_name", "told"),
    [
        ("FLOAT_TYPE_SMALL_FLOAT", ": of 1,000 images, Bag has 60, Ankle boot has 0"),
        ("FLOAT_TYPE_BIG_FLOAT", ": of 1,000 images, T-shirt/top has 240"),
    ],
)
def test_share_of_a_class_out_of_bounds_names_the_classes_and_their_images(
    judge_data, tmp_path, type_name, told
):
    counts = dict(zip(features.CLASS_NAMES, [240, *[100] * 7, 60, 0], strict=True))
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=1000)
    feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    feature.path.step.append("class")
    for name, count in counts.items():
        feature.string_stats.rank_histogram.buckets.add(label=name, sample_count=count)
    judge_data.statistics = statistics
    [one] = judge_data([("image_anomalies", "Split-eval", "class_share", type_name)])
    assert (one.kind, one.feature) == ("class_balance", "share of a class")
    assert one.found.endswith(told)
