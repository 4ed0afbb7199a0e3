import math

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.curation import observing
from tests.pipeline.measuring import measure


def observe(**splits):
    schema = observing.observe({name: measure(columns) for name, columns in splits.items()})
    return {feature.name: feature for feature in schema.feature}


def parse(text):
    return text_format.Parse(text, schema_pb2.Schema())


def test_numbers_have_the_bounds_of_all_splits():
    found = observe(train={"label": [[3], [4]]}, eval={"label": [[0], [9]]})["label"]
    assert found.type == schema_pb2.INT
    assert (found.int_domain.min, found.int_domain.max) == (0, 9)
    assert (found.value_count.min, found.value_count.max) == (1, 1)
    assert found.presence.min_fraction == 1


def test_a_feature_is_as_present_as_in_the_split_that_has_least_of_it():
    found = observe(train={"a": [[1], [1], None, [1]]}, eval={"a": [[1], None]})
    assert found["a"].presence.min_fraction == 0.5


def test_a_feature_that_a_split_lacks_is_in_none_of_its_examples():
    found = observe(train={"a": [[1]], "b": [[1]]}, eval={"a": [[1]]})
    assert (found["a"].presence.min_fraction, found["b"].presence.min_fraction) == (1, 0)


def test_a_split_without_examples_says_nothing():
    found = observe(train={"a": [[1]]}, eval={})
    assert found["a"].presence.min_fraction == 1


def test_texts_are_named_unless_there_are_too_many():
    found = observe(
        train={"few": [["a"], ["b"]] * 60, "many": [[str(number)] for number in range(120)]},
        eval={"few": [["c"]], "many": [["d"]]},
    )
    assert sorted(found["few"].string_domain.value) == ["a", "b", "c"]
    assert found["many"].type == schema_pb2.BYTES
    assert not found["many"].HasField("string_domain")


@pytest.mark.filterwarnings("ignore::RuntimeWarning:(numpy|tensorflow_data_validation)")
@pytest.mark.parametrize(
    ("value", "refused"),
    [(0.5, (True, True)), (math.nan, (False, True)), (math.inf, (True, False))],
    ids=["number", "nan", "infinity"],
)
def test_numbers_that_are_none_are_seen(value, refused):
    domain = observe(train={"ink": [[0.5]] * 9 + [[value]]})["ink"].float_domain
    assert (domain.disallow_nan, domain.disallow_inf) == refused


def test_splits_that_differ_in_a_type_have_none_together():
    found = observe(train={"a": [[1]]}, eval={"a": [[1.5]]})
    assert found["a"].type == schema_pb2.TYPE_UNKNOWN


def test_what_an_inferred_schema_leaves_open_is_added_and_its_shape_stays():
    inferred = parse(
        """
        feature { name: "label" type: INT presence { min_count: 1 } shape { dim { size: 1 } } }
        feature { name: "word" type: BYTES domain: "word" value_count { min: 1 } }
        feature { name: "gone" type: INT }
        string_domain { name: "word" value: "a" }
        """
    )
    seen = observing.observe(
        {"train": measure({"label": [[0], [9]], "word": [["a", "b"], ["a"]], "new": [[1], None]})}
    )
    completed = observing.complete(inferred, seen)
    found = {feature.name: feature for feature in completed.feature}
    assert [*found] == ["label", "word", "gone", "new"]
    assert found["label"].HasField("shape")
    assert found["label"].presence.min_fraction == 1
    assert (found["label"].int_domain.min, found["label"].int_domain.max) == (0, 9)
    assert (found["word"].value_count.max, found["word"].domain) == (2, "word")
    assert not inferred.feature[0].HasField("int_domain")
