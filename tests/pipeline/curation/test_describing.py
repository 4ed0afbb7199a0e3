import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.curation import curated, describing
from trainer_module import features


def parse(text):
    return text_format.Parse(text, schema_pb2.Feature())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "any"),
        ("shape {}", "1"),
        ("shape { dim { size: 1 } }", "1 in a list"),
        ("shape { dim { size: 2 } dim { size: 3 } }", "6 in a list"),
        ("value_count { min: 1 max: 1 }", "1"),
        ("value_count { min: 1 max: 3 }", "1 to 3"),
        ("value_count { min: 1 }", "1 or more"),
    ],
)
def test_number_of_values_is_said_in_words(text, words):
    assert describing.describe_values(parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "any"),
        ("presence { min_fraction: 1 min_count: 1 }", "every example"),
        ("presence { min_fraction: 0.995 }", "99.5 % of the examples"),
        ("presence { min_count: 1 }", "at least one"),
    ],
)
def test_presence_is_said_in_words(text, words):
    assert describing.describe_presence(parse(text).presence) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type: BYTES", "any"),
        ("int_domain { is_categorical: true }", "any"),
        ("int_domain { min: 0 max: 9 }", "0 to 9"),
        ("int_domain { min: 3 max: 3 }", "3"),
        ("int_domain { min: 3 }", "3 or more"),
        ("float_domain { max: 0.99 }", "0.99 or less"),
        ("float_domain { min: 0.005 max: 0.9 }", "0.005 to 0.9"),
    ],
)
def test_bounds_are_said_in_words(text, words):
    assert describing.describe_bounds(parse(text)) == words


def test_names_of_the_label_come_by_the_name_of_its_domain():
    schema = curated.read(curated.CURATED["schema.pbtxt"].file)
    described = {one.name: describing.describe(one, schema) for one in schema.feature}
    assert described[features.IMAGE] == describing.Description(
        "bytes", "every example", "1", "any", "any", []
    )
    assert described[features.LABEL] == describing.Description(
        "int", "every example", "1", "0 to 9", "any", list(features.CLASS_NAMES)
    )


def test_numbers_that_are_none_are_named():
    assert describing.describe_numbers(parse("float_domain { disallow_nan: true }")) == "no NaN"
    both = "float_domain { disallow_nan: true disallow_inf: true }"
    assert describing.describe_numbers(parse(both)) == "no NaN, no infinity"
