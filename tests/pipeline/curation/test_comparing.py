import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.curation import curated, observing
from pipeline.curation.comparing import Difference, compare
from tests.pipeline.measuring import measure, to_list


def parse(text):
    return text_format.Parse(text, schema_pb2.Schema())


def read(name):
    return curated.read(curated.CURATED[name].file)


def test_what_is_outside_is_what_tfdv_calls_an_anomaly(case):
    schema, split = read(case.schema), measure(case.columns)
    found = compare(schema, observing.observe({"train": split}))
    anomalies = tfdv.validate_statistics(to_list(split), schema).anomaly_info
    assert {one.feature for one in found if one.outside} == set(anomalies)


def test_the_same_for_what_an_inferred_schema_says(case):
    schema, split = read(case.schema), measure(case.columns)
    inferred = tfdv.infer_schema(to_list(split), infer_feature_shape=True)
    found = compare(schema, observing.complete(inferred, observing.observe({"train": split})))
    anomalies = tfdv.validate_statistics(to_list(split), schema).anomaly_info
    assert {one.feature for one in found if one.outside} == set(anomalies)


INK = 'name: "ink" type: FLOAT'


@pytest.mark.parametrize(
    ("asked", "data", "said"),
    [
        (
            f"{INK} float_domain {{ min: 0.1 max: 0.9 }}",
            f"{INK} float_domain {{ min: 0 max: 0.5 }}",
            ("bounds", "0.1 to 0.9", "0 to 0.5", True),
        ),
        (
            f"{INK} float_domain {{ min: 0.1 max: 0.9 }}",
            f"{INK} float_domain {{ min: 0.2 max: 0.5 }}",
            ("bounds", "0.1 to 0.9", "0.2 to 0.5", False),
        ),
        (
            f"{INK} presence {{ min_fraction: 1 }}",
            f"{INK} presence {{ min_fraction: 0.995 }}",
            ("present in", "every example", "missing in 0.5 % of a split", True),
        ),
        (
            f"{INK} shape {{ }}",
            f"{INK} shape {{ dim {{ size: 1 }} }}",
            ("values", "1", "1 in a list", False),
        ),
        (
            f"{INK} shape {{ }}",
            f"{INK} value_count {{ min: 1 max: 2 }}",
            ("values", "1", "1 to 2", True),
        ),
        (INK, 'name: "ink" type: INT', ("type", "float", "int", True)),
    ],
)
def test_each_side_says_what_was_asked_for_and_what_there_is(asked, data, said):
    what, wanted, there, outside = said
    assert compare(parse(f"feature {{ {asked} }}"), parse(f"feature {{ {data} }}")) == [
        Difference("ink", what, wanted, there, outside)
    ]


def test_names_that_are_unknown_and_unused_are_listed_up_to_three():
    asked = 'feature { name: "a" type: BYTES domain: "d" } string_domain { name: "d" %s }'
    names = " ".join(f'value: "{name}"' for name in "uvwxyz")
    data = 'feature { name: "a" type: BYTES string_domain { value: "u" value: "new" } }'
    assert compare(parse(asked % names), parse(data)) == [
        Difference("a", "names", "6 names", "also new, no v, w, x, 2 more", outside=True)
    ]


def test_what_is_outside_comes_first_whatever_the_order_of_the_features():
    asked = parse(
        f'feature {{ {INK} shape {{ }} }} feature {{ name: "b" presence {{ min_count: 1 }} }}'
    )
    data = parse(
        f"feature {{ {INK} shape {{ dim {{ size: 1 }} }} }} feature {{ name: 'c' type: INT }}"
    )
    assert [(one.feature, one.outside) for one in compare(asked, data)] == [
        ("b", True),
        ("c", True),
        ("ink", False),
    ]


def test_a_feature_that_is_no_longer_asked_for_may_be_as_it_likes():
    asked = parse(f"feature {{ {INK} lifecycle_stage: DEPRECATED }}")
    assert compare(asked, parse('feature { name: "ink" type: INT }')) == []
    assert compare(asked, parse("")) == []


def test_a_feature_that_may_be_missing_is_within_when_it_is():
    [found] = compare(parse(f"feature {{ {INK} }}"), parse(""))
    assert not found.outside
