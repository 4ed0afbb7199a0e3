import io

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from PIL import Image
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.coders import example_coder

import schema
from trainer_module import features

Type = anomalies_pb2.AnomalyInfo.Type


@pytest.fixture(scope="module")
def curated():
    text = schema.SCHEMA_FILE.read_text(encoding="utf-8")
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.fixture(scope="module")
def curated_features(curated):
    return {feature.name: feature for feature in curated.feature}


def good_example(number):
    """The values of one raw example by feature."""
    pixels = np.random.default_rng(number).integers(
        0, 256, (features.IMAGE_SIZE, features.IMAGE_SIZE), np.uint8
    )
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return {features.IMAGE: [png.getvalue()], features.LABEL: [number % features.NUM_CLASSES]}


def serialize(example):
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in example.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def find_anomalies(curated, change=None, count=20):
    """Changes the last of some good examples, and validates the statistics.

    As in the graph, the statistics are taken without the schema.
    """
    examples = [good_example(number) for number in range(count)]
    if change:
        change(examples[-1])
    records = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(
        [serialize(example) for example in examples]
    )
    statistics = stats_impl.generate_statistics_in_memory(records)
    assert statistics.datasets[0].num_examples == count
    found = tfdv.validate_statistics(statistics, curated).anomaly_info
    return {
        name: {Type.Name(reason.type) for reason in info.reason} for name, info in found.items()
    }


def test_features_are_those_of_the_trainer_module(curated_features):
    assert {name: feature.type for name, feature in curated_features.items()} == {
        features.IMAGE: schema_pb2.BYTES,
        features.LABEL: schema_pb2.INT,
    }


def test_every_feature_is_a_required_scalar(curated_features):
    for feature in curated_features.values():
        assert feature.HasField("shape")
        assert not feature.shape.dim
        assert feature.presence.min_fraction == 1


def test_domain_of_the_label_is_the_classes(curated_features):
    domain = curated_features[features.LABEL].int_domain
    assert (domain.min, domain.max) == (0, features.NUM_CLASSES - 1)
    assert domain.is_categorical


def test_names_of_the_label_are_those_of_the_classes_in_order(curated, curated_features):
    [names] = [
        one.value
        for one in curated.string_domain
        if one.name == curated_features[features.LABEL].int_domain.name
    ]
    assert tuple(names) == features.CLASS_NAMES


def test_names_of_the_label_leave_the_parsed_features_alone(curated):
    bare = schema_pb2.Schema()
    bare.CopyFrom(curated)
    del bare.string_domain[:]
    for feature in bare.feature:
        feature.int_domain.ClearField("name")
    assert (
        schema_utils.schema_as_feature_spec(curated).feature_spec
        == schema_utils.schema_as_feature_spec(bare).feature_spec
        == {
            features.IMAGE: tf.io.FixedLenFeature([], tf.string),
            features.LABEL: tf.io.FixedLenFeature([], tf.int64),
        }
    )


def test_good_examples_have_no_anomaly(curated):
    assert find_anomalies(curated) == {}


ANOMALIES = {
    "label_above_the_classes": (
        lambda example: example.update({features.LABEL: [features.NUM_CLASSES]}),
        features.LABEL,
        "INT_TYPE_BIG_INT",
    ),
    "label_below_the_classes": (
        lambda example: example.update({features.LABEL: [-1]}),
        features.LABEL,
        "INT_TYPE_SMALL_INT",
    ),
    "missing_label": (
        lambda example: example.pop(features.LABEL),
        features.LABEL,
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
    ),
    "missing_image": (
        lambda example: example.pop(features.IMAGE),
        features.IMAGE,
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
    ),
    "two_labels": (
        lambda example: example.update({features.LABEL: [1, 2]}),
        features.LABEL,
        "INVALID_FEATURE_SHAPE",
    ),
    "extra_feature": (
        lambda example: example.update(price=[1]),
        "price",
        "SCHEMA_NEW_COLUMN",
    ),
}


@pytest.mark.parametrize(("change", "feature", "reason"), ANOMALIES.values(), ids=ANOMALIES)
def test_one_bad_example_is_an_anomaly(curated, change, feature, reason):
    found = find_anomalies(curated, change)
    assert set(found) == {feature}
    assert reason in found[feature]


def test_feature_that_no_example_has_is_an_anomaly(curated):
    found = find_anomalies(curated, lambda example: example.pop(features.IMAGE), count=1)
    assert set(found) == {features.IMAGE}
    assert "SCHEMA_MISSING_COLUMN" in found[features.IMAGE]
