import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.data_gate.anomalies import (
    Anomaly,
    Distance,
    read_anomalies,
    read_differences,
    read_distances,
)
from components.data_gate.findings import ADVICE
from components.split_files import ANOMALIES_FILE

INK = "feature { name: 'ink' type: FLOAT presence { min_fraction: 1 } float_domain { max: 1 } }"
CLASS = "feature { name: 'class' type: BYTES string_domain { value: 'Bag' value: 'Coat' } }"
SHARE = "feature { name: 'class_share' type: FLOAT float_domain { min: 0.1 } }"


@pytest.fixture
def validate(tmp_path):
    """Has TFDV hold columns against a schema, as ExampleValidator does, and keeps what it says."""

    def validate(columns, *features, directory="Split-train", previous=None, **comparators):
        schema = text_format.Parse("\n".join(features), schema_pb2.Schema())
        for feature in schema.feature:
            if feature.name in comparators:
                text_format.Parse(comparators[feature.name], feature.drift_comparator)
        found = tfdv.validate_statistics(
            describe(columns), schema, previous_statistics=previous and describe(previous)
        )
        write(tmp_path, directory, found)
        return tmp_path

    return validate


def describe(columns):
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns))


def write(tmp_path, directory, message):
    (tmp_path / directory).mkdir()
    (tmp_path / directory / ANOMALIES_FILE).write_bytes(message.SerializeToString())


def comparator(threshold):
    return {"class": f"infinity_norm {{ threshold: {threshold} }}"}


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("columns", "schema", "kind"),
    [
        ({"ink": floats(0.5, 1.5)}, INK, "domain"),
        ({"ink": floats(0.5, np.nan)}, INK, "missing"),
        ({"other": [1, 2]}, INK, "missing"),
        ({"ink": ["a", "b"]}, INK, "type"),
        ({"class": ["Bag", "Shirt"]}, CLASS, "domain"),
        ({"class_share": floats(0.5, 0.01)}, SHARE, "class_balance"),
    ],
    ids=["above", "missing", "absent", "text", "name", "share"],
)
def test_what_tfdv_finds_is_of_a_kind_that_a_person_knows(validate, columns, schema, kind):
    kinds = {one.feature: one.kind for one in read_anomalies(validate(columns, schema))}
    [name] = [name for name in ("ink", "class", "class_share") if f"'{name}'" in schema]
    assert kinds[name] == kind


def test_column_that_the_schema_does_not_know_is_a_new_feature(validate):
    [one] = read_anomalies(validate({"ink": floats(0.5), "extra": [1]}, INK))
    assert (one.kind, one.feature, one.split) == ("new_feature", "extra", "train")


def test_number_out_of_its_domain_says_on_which_side_and_by_what(validate):
    [one] = read_anomalies(validate({"ink": floats(0.5, 1.5)}, INK))
    expected = "there is 1.5, and at most 1 is allowed"
    assert one == Anomaly("domain", "ink", "train", expected, True, 1.0)


def test_data_without_fault_has_no_anomaly(validate):
    assert read_anomalies(validate({"ink": floats(0.1, 0.9)}, INK)) == []


def test_split_without_an_example_has_too_few(tmp_path):
    write(tmp_path, "Split-eval", anomalies_pb2.Anomalies(data_missing=True))
    [one] = read_anomalies(tmp_path)
    assert (one.kind, one.feature, one.split) == ("few_examples", "", "eval")


@pytest.mark.parametrize("type_name", anomalies_pb2.AnomalyInfo.Type.keys())
def test_whatever_tfdv_finds_has_a_kind_with_advice_and_a_text(tmp_path, type_name):
    message = anomalies_pb2.Anomalies()
    message.anomaly_info["ink"].reason.add(type=type_name, short_description="Something")
    write(tmp_path, "Split-train", message)
    [one] = read_anomalies(tmp_path)
    assert one.kind in ADVICE
    assert one.found == "Something"


def test_several_reasons_of_a_feature_are_told_one_by_one(tmp_path):
    message = anomalies_pb2.Anomalies()
    for name in ("FEATURE_TYPE_NOT_PRESENT", "FLOAT_TYPE_BIG_FLOAT"):
        message.anomaly_info["ink"].reason.add(type=name, description=name)
    write(tmp_path, "Split-train", message)
    assert [one.kind for one in read_anomalies(tmp_path)] == ["missing", "domain"]


CHANGED = {"class": ["Bag"] * 9 + ["Coat"]}

COMPARED = {
    "previous": {"class": ["Bag", "Coat"] * 5},
    "directory": "SplitPair-eval_train",
}


def test_difference_says_distance_bound_and_where_it_is_most(validate):
    directory = validate(CHANGED, CLASS, **COMPARED, **comparator(0.1))
    [one] = read_differences(directory, "skew")
    assert (one.kind, one.feature, one.split) == ("skew", "class", "eval")
    assert one.found.startswith(
        "its L-infinity distance to train is 0.4, and at most 0.1 is allowed, most for "
    )


def test_difference_to_other_data_names_that(validate):
    directory = validate(CHANGED, CLASS, **COMPARED, **comparator(0.1))
    [one] = read_differences(directory, "drift", "the span before's")
    assert "to the span before's train is 0.4," in one.found


def test_distance_within_its_bound_is_no_difference_and_can_be_read(validate):
    directory = validate(CHANGED, CLASS, **COMPARED, **comparator(0.5))
    assert read_differences(directory, "skew") == []
    [one] = read_distances(directory)
    expected = Distance("class", "eval", "train", "L-infinity distance", 0.4, 0.5)
    assert one == expected


def test_what_could_not_be_compared_is_told(tmp_path):
    message = anomalies_pb2.Anomalies()
    message.anomaly_info["ink"].reason.add(type="STATS_NOT_AVAILABLE", description="Long words.")
    write(tmp_path, "SplitPair-eval_train", message)
    [one] = read_differences(tmp_path, "skew")
    assert (one.kind, one.found) == ("not_compared", "it could not be compared with train")


def test_where_there_was_nothing_to_compare_with_nothing_differs(tmp_path):
    assert read_differences(tmp_path, "drift") == []


def test_splits_come_in_the_order_in_which_people_name_them(tmp_path):
    for split in ("eval", "extra", "test", "train"):
        write(tmp_path, f"Split-{split}", anomalies_pb2.Anomalies(data_missing=True))
    assert [one.split for one in read_anomalies(tmp_path)] == ["train", "eval", "test", "extra"]
