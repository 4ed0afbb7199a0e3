import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import standard_artifacts

from components.data_gate import executor
from components.data_gate.component import DataBlessing
from components.data_gate.findings import DataRefusedError, read_findings
from components.data_gate.pictures import SHOWN
from components.split_files import ANOMALIES_FILE

CONFIG = {
    "severities": {"default": "stop", "new_feature": "warn"},
    "max_leaked": 0.0,
    "max_conflicting": 0.0,
}


@pytest.fixture
def judge(tmp_path):
    """Has the executor judge an anomaly, whose input is named; returns the blessing."""

    def judge(given="anomalies", feature="label", type_name=None):
        inputs = {"examples": make(standard_artifacts.Examples, tmp_path / "examples")}
        for name in ("anomalies", "image_anomalies", "image_findings", "skew"):
            inputs[name] = make(standard_artifacts.ExampleAnomalies, tmp_path / name)
        write_examples(tmp_path / "examples" / "Split-eval")
        (tmp_path / "image_findings" / "findings.json").write_text("[]")
        if type_name:
            directory = "SplitPair-eval_train" if given == "skew" else "Split-eval"
            write_anomaly(tmp_path / given / directory, feature, type_name)
        blessing = make(DataBlessing, tmp_path / "blessing")
        executor.Executor().Do(
            {name: [one] for name, one in inputs.items()},
            {"blessing": [blessing]},
            {"config": json.dumps(CONFIG)},
        )
        return tmp_path / "blessing"

    return judge


def make(kind, directory):
    directory.mkdir()
    artifact = kind()
    artifact.uri = str(directory)
    if "split_names" in (kind.PROPERTIES or {}):
        artifact.split_names = '["train", "eval"]'
    return artifact


def write_anomaly(directory, feature, type_name):
    message = anomalies_pb2.Anomalies()
    text = "Unexpectedly high value: 0.7>0.2" if "BIG" in type_name else "Something"
    message.anomaly_info[feature].reason.add(type=type_name, description=text)
    directory.mkdir()
    (directory / ANOMALIES_FILE).write_bytes(message.SerializeToString())


def write_examples(directory):
    """Twenty images, each a little brighter than the one before."""
    directory.mkdir()
    options = tf.io.TFRecordOptions("GZIP")
    with tf.io.TFRecordWriter(str(directory / "data.gz"), options) as writer:
        for number in range(20):
            image = np.full((28, 28, 1), 10 * number, np.uint8)
            image[0, : number + 1] = 1
            png = tf.io.encode_png(image).numpy()
            example = tf.train.Example()
            example.features.feature["image"].bytes_list.value.append(png)
            example.features.feature["label"].int64_list.value.append(number % 10)
            writer.write(example.SerializeToString())


def test_data_without_fault_is_blessed(judge):
    assert read_findings(judge()) == []


def test_warning_is_kept_in_the_blessing(judge):
    [one] = read_findings(judge(feature="extra", type_name="SCHEMA_NEW_COLUMN"))
    assert (one.kind, one.severity, one.split) == ("new_feature", "warn", "eval")


def test_finding_that_stops_the_run_is_raised_and_nothing_is_blessed(judge, tmp_path):
    with pytest.raises(DataRefusedError, match="label in eval: Something") as raised:
        judge(type_name="SCHEMA_MISSING_COLUMN")
    assert [one.kind for one in raised.value.findings] == ["missing"]
    assert not list((tmp_path / "blessing").iterdir())


def test_images_out_of_bounds_are_shown_the_most_extreme_first(judge):
    with pytest.raises(DataRefusedError) as raised:
        judge("image_anomalies", "brightness", "FLOAT_TYPE_BIG_FLOAT")
    [one] = raised.value.findings
    assert "at most 0.2 is allowed: 14 of 20 images (70.00 %) are out of bounds" in one.found
    assert len(one.pictures) == SHOWN
    assert one.pictures[0].caption.startswith("Ankle boot, brightness 0.")
    values = [float(picture.caption.rpartition(" ")[2]) for picture in one.pictures]
    assert values == sorted(values, reverse=True)


def test_split_that_differs_is_shown_by_some_of_its_images(judge):
    with pytest.raises(DataRefusedError) as raised:
        judge("skew", "ink", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH")
    [one] = raised.value.findings
    assert len(one.pictures) == SHOWN
    assert len({picture.png for picture in one.pictures}) == SHOWN
