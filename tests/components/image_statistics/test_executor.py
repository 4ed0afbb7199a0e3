"""The executor on Beam, and what TFX and TFDV make of what it puts out."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.utils import anomalies_util, display_util
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.distribution_validator import executor as distribution_validator
from tfx.components.example_validator import executor as example_validator
from tfx.proto import distribution_validator_pb2
from tfx.v1.types import standard_artifacts

from tests.components.image_statistics.conftest import (
    SPAN,
    draw_image,
    encode,
    make_example,
    spoil,
)
from trainer_module import features

SCHEMA = """
    feature { name: "ink" type: FLOAT float_domain { min: 0.01 max: 0.999 }
              presence { min_fraction: 1 } }
    feature { name: "brightness" type: FLOAT float_domain { min: 0 max: 1 } }
    feature { name: "class" type: BYTES }
    feature { name: "class_share" type: FLOAT float_domain { min: 0.05 max: 0.2 }
              value_count { min: 10 max: 10 } presence { min_count: 1 } }
"""


def sound(first, count=40):
    """Examples of different images, with all classes alike."""
    return [make_example(draw_image(seed), seed % 10) for seed in range(first, first + count)]


def test_artifacts_have_the_splits_and_the_span_of_the_examples(run):
    outputs = run(train=sound(0), test=sound(100))
    for artifact in (outputs.statistics, outputs.anomalies):
        assert json.loads(artifact.split_names) == ["train", "test"]
        assert artifact.span == SPAN
    assert [*outputs.files] == [
        "statistics/Split-test/FeatureStats.pb",
        "statistics/Split-train/FeatureStats.pb",
        "anomalies/Split-test/SchemaDiff.pb",
        "anomalies/Split-train/SchemaDiff.pb",
        "anomalies/findings.json",
    ]


def test_sound_data_has_statistics_and_nothing_is_found(run):
    outputs = run(train=sound(0), eval=sound(100), test=sound(200))
    assert outputs.findings == []
    statistics = tfdv.load_stats_binary(f"{outputs.statistics.uri}/Split-eval/FeatureStats.pb")
    [dataset] = statistics.datasets
    assert dataset.num_examples == 40
    assert [one.path.step[0] for one in dataset.features] == [
        *("ink", "brightness", "class", "class_share")
    ]


@pytest.fixture
def spoilt(run):
    blank = np.full([features.IMAGE_SIZE] * 2, 9, np.uint8)
    twice = draw_image(0)
    return run(
        train=[*sound(0), make_example(twice, 5), make_example(blank, 1)],
        eval=[*sound(100), make_example(blank, 2), make_example(spoil(encode(twice)), 3)],
        test=[*sound(200), make_example(twice, 0), make_example(draw_image(101), 7)],
    )


def test_everything_that_is_wrong_is_counted_where_it_is(spoilt):
    assert spoilt.counts == {
        ("undecodable", "eval", None): 1,
        ("blank", "train", None): 1,
        ("blank", "eval", None): 1,
        ("leak", "test", "train"): 1,
        ("leak", "test", "eval"): 1,
        ("conflict", "train", None): 2,
        ("conflict", "test", "train"): 1,
        ("conflict", "test", "eval"): 1,
        ("repeat", "train", None): 1,
    }
    assert {one.examples for one in spoilt.findings} == {42}


def test_a_sample_shows_the_image_and_its_classes(spoilt):
    [leak] = [one for one in spoilt.findings if (one.kind, one.other) == ("leak", "train")]
    [sample] = leak.samples
    assert sample.classes == ("T-shirt/top",)
    assert sample.other_classes == ("T-shirt/top", "Sandal")
    pixels = tf.io.decode_png(base64.b64decode(sample.png)).numpy()[..., 0]
    np.testing.assert_array_equal(pixels, draw_image(0))


def test_what_cannot_be_decoded_has_a_sample_without_picture(spoilt):
    [sample] = spoilt.findings[0].samples
    assert (sample.png, sample.classes) == ("", ("Dress",))


def test_anomalies_are_opened_by_tfdv(spoilt):
    anomalies = anomalies_util.load_anomalies_binary(
        f"{spoilt.anomalies.uri}/Split-test/SchemaDiff.pb"
    )
    shown = display_util.get_anomalies_dataframe(anomalies)
    assert sorted(shown.index) == ["'image'", "'label'"]
    [text] = shown.loc["'label'", ["Anomaly long description"]]
    assert "1 of 42 examples in test (2.38 %) have an image that has another label in eval." in text


def test_order_and_shards_change_nothing(run):
    splits = {
        "train": [
            *sound(0),
            *sound(0, 20),
            *(make_example(draw_image(seed), 3) for seed in range(9)),
        ],
        "test": [*sound(30), make_example(b"broken", 1)],
    }
    once = run(**splits)
    turned = run(shards=3, **{split: of_it[::-1] for split, of_it in splits.items()})
    assert once.findings
    assert once.files == turned.files


def test_a_split_without_examples_has_empty_statistics(run):
    outputs = run(train=sound(0), test=[])
    statistics = tfdv.load_stats_binary(f"{outputs.statistics.uri}/Split-test/FeatureStats.pb")
    assert [one.num_examples for one in statistics.datasets] == [0]
    assert outputs.findings == []


def validate(outputs, tmp_path):
    """What TFX's ExampleValidator finds by `SCHEMA`: short descriptions by split and feature."""
    curated, found = standard_artifacts.Schema(), standard_artifacts.ExampleAnomalies()
    curated.uri, found.uri = str(tmp_path / "schema"), str(tmp_path / "found")
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    tfdv.write_schema_text(schema, f"{curated.uri}/schema.pbtxt")
    example_validator.Executor().Do(
        {"statistics": [outputs.statistics], "schema": [curated]}, {"anomalies": [found]}, {}
    )
    return {
        (file.parent.name.removeprefix("Split-"), name): info.short_description
        for file in Path(found.uri).rglob("*.pb")
        for name, info in anomalies_util.load_anomalies_binary(str(file)).anomaly_info.items()
    }


def test_example_validator_finds_nothing_wrong_with_sound_data(run, tmp_path):
    (tmp_path / "schema").mkdir()
    assert validate(run(train=sound(0), test=sound(100)), tmp_path) == {}


def test_example_validator_judges_the_balance_of_the_classes(run, tmp_path):
    (tmp_path / "schema").mkdir()
    lacking = [example for seed, example in enumerate(sound(100)) if seed % 10]
    heavy = [*sound(200), *(make_example(draw_image(seed), 4) for seed in range(300, 310))]
    found = validate(run(train=sound(0), eval=lacking, test=heavy), tmp_path)
    assert found == {
        ("eval", "class_share"): "Out-of-range values",
        ("test", "class_share"): "Out-of-range values",
    }


def test_example_validator_judges_damaged_and_empty_images(run, tmp_path):
    (tmp_path / "schema").mkdir()
    black = np.zeros([features.IMAGE_SIZE] * 2, np.uint8)
    train = [*sound(0), make_example(black, 3), make_example(b"broken", 4)]
    found = validate(run(train=train), tmp_path)
    assert found == {("train", "ink"): "Multiple errors"}


CONFIG = """
    default_slice_config {
      feature { path { step: "class" }
                distribution_comparator { infinity_norm { threshold: 0.04 } } }
      feature { path { step: "ink" }
                distribution_comparator { jensen_shannon_divergence { threshold: 0.2 } } }
      feature { path { step: "brightness" }
                distribution_comparator { jensen_shannon_divergence { threshold: 0.2 } } }
    }
"""


def compare(new, base, pairs, tmp_path):
    """What TFX's DistributionValidator finds: reasons and measurements by pair and feature."""
    found = standard_artifacts.ExampleAnomalies()
    found.uri = str(tmp_path / "found")
    distribution_validator.Executor().Do(
        {"statistics": [new.statistics], "baseline_statistics": [base.statistics]},
        {"anomalies": [found]},
        {
            "distribution_validator_config": text_format.Parse(
                CONFIG, distribution_validator_pb2.DistributionValidatorConfig()
            ),
            "include_split_pairs": json.dumps(pairs),
        },
    )
    anomalies = {
        file.parent.name.removeprefix("SplitPair-"): anomalies_util.load_anomalies_binary(str(file))
        for file in Path(found.uri).rglob("*.pb")
    }
    return {
        pair: (
            sorted(one.anomaly_info),
            {info.path.step[0]: info.drift_measurements[0].value for info in one.drift_skew_info},
        )
        for pair, one in anomalies.items()
    }


def test_distribution_validator_tells_what_drifted(run, tmp_path):
    inverted = [make_example(255 - draw_image(seed), seed % 10) for seed in range(100)]
    base, new = run(train=sound(0, 100)), run(train=inverted)
    found, distances = compare(new, base, [["train", "train"]], tmp_path)["train_train"]
    assert found == ["brightness", "ink"]
    assert distances["class"] == 0
    assert distances["ink"] > 0.2


def test_distribution_validator_tells_skew_between_splits(run, tmp_path):
    one_class = [make_example(draw_image(seed), 3) for seed in range(200, 240)]
    outputs = run(train=sound(0), eval=sound(0), test=one_class)
    found = compare(outputs, outputs, [["eval", "train"], ["test", "train"]], tmp_path)
    assert found["eval_train"] == ([], {"class": 0, "ink": 0, "brightness": 0})
    assert found["test_train"][0] == ["class"]
    assert found["test_train"][1]["class"] == pytest.approx(0.9)
