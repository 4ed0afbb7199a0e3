import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import schema
from pipeline.curation import curated, observing, proposing
from pipeline.curation.comparing import compare
from tests.pipeline.curation.conftest import CASES
from tests.pipeline.measuring import GOOD, measure, to_list
from trainer_module import features


def parse(text):
    return text_format.Parse(text, schema_pb2.Schema())


def read(name):
    return curated.read(curated.CURATED[name].file)


def test_a_proposal_takes_all_splits_that_it_was_made_for(case):
    splits = {"train": measure(GOOD[case.schema]()), "eval": measure(case.columns)}
    proposed = proposing.widen(read(case.schema), splits.values())
    for split in splits.values():
        assert not tfdv.validate_statistics(to_list(split), proposed).anomaly_info
    assert not [one for one in compare(proposed, observing.observe(splits)) if one.outside]


@pytest.mark.parametrize("name", curated.CURATED)
def test_data_that_is_as_curated_changes_nothing(name):
    before = read(name)
    assert proposing.widen(before, [measure(GOOD[name]())] * 2) == before


def test_the_schema_that_is_widened_stays_as_it_was():
    before = read("schema.pbtxt")
    assert proposing.widen(before, [measure(CASES["label_above"].columns)]) != before
    assert before == read("schema.pbtxt")


def test_a_feature_that_only_one_split_has_is_taken_in_and_not_asked_for():
    splits = [CASES["price"].columns, GOOD["schema.pbtxt"]()]
    before = read("schema.pbtxt")
    proposed = proposing.widen(before, [measure(columns) for columns in splits])
    [price] = [feature for feature in proposed.feature if feature.name == "price"]
    assert not price.HasField("presence")
    assert not price.HasField("lifecycle_stage")
    assert proposing.find_given_up(before, proposed) == []


def test_a_feature_that_there_is_no_more_is_named_as_given_up():
    before = read("schema.pbtxt")
    proposed = proposing.widen(before, [measure(CASES["label_missing"].columns)])
    assert proposing.find_given_up(before, proposed) == [features.LABEL]
    assert proposing.find_given_up(proposed, proposed) == []


@pytest.mark.parametrize("file", [schema.SCHEMA_FILE, schema.IMAGES_FILE], ids=lambda one: one.name)
def test_a_schema_that_did_not_change_is_written_byte_for_byte(file):
    text = file.read_text(encoding="utf-8")
    assert proposing.write_text(parse(text), text) == text


def test_comments_stay_and_no_line_changes_but_what_is_proposed():
    text = schema.IMAGES_FILE.read_text(encoding="utf-8")
    changed = parse(text)
    changed.feature[3].float_domain.max = 0.75
    changed.string_domain[0].value.append("Größe")
    written = proposing.write_text(changed, text)
    assert parse(written) == changed
    assert proposing.unified_diff(text, written, "images.pbtxt")[:2] == [
        "--- images.pbtxt",
        "+++ images.pbtxt (proposed)",
    ]
    changes = [
        line
        for line in proposing.unified_diff(text, written, "images.pbtxt")[2:]
        if line[0] in "+-"
    ]
    assert changes == ["-    max: 0.5", "+    max: 0.75", '+  value: "Größe"']


FREE_FORM = """\
# At the top.
feature { name: "a"  # Behind it.
  type: INT }
# Between.
feature {
  name: "b # no comment"
  # Above the type.
  type: BYTES
}
# At the end.
"""


def test_text_that_is_written_otherwise_keeps_its_comments_on_lines_of_their_own():
    changed = parse(FREE_FORM)
    changed.feature[1].type = schema_pb2.INT
    written = proposing.write_text(changed, FREE_FORM)
    assert parse(written) == changed
    for comment in ("# At the top.", "# Between.", "# Above the type.", "# At the end."):
        assert comment in written
    assert 'name: "b # no comment"' in written


def test_a_proposal_goes_into_a_new_file(tmp_path):
    proposing.save("feature {\n}\n", tmp_path / "proposal.pbtxt")
    [file] = tmp_path.iterdir()
    assert file.read_text() == "feature {\n}\n"


@pytest.fixture
def link(tmp_path):
    link = tmp_path / "link.pbtxt"
    link.symlink_to(schema.IMAGES_FILE)
    return link


@pytest.mark.parametrize("file", [schema.SCHEMA_FILE, schema.IMAGES_FILE], ids=lambda one: one.name)
def test_a_curated_schema_is_never_written(file, refusal):
    before = file.read_bytes()
    with refusal(file, "only a person changes"):
        proposing.save("", file)
    assert file.read_bytes() == before


def test_nor_is_it_by_a_link(link, refusal):
    with refusal(link, "only a person changes"):
        proposing.save("", link)


def test_nothing_is_overwritten(tmp_path, refusal):
    file = tmp_path / "notes"
    file.write_text("mine")
    with refusal(file, "is there already"):
        proposing.save("", file)
    assert file.read_text() == "mine"


def test_a_place_that_can_not_be_written_is_named(tmp_path, refusal):
    with refusal(tmp_path / "none" / "p", "can't be written: No such file", "--write"):
        proposing.save("", tmp_path / "none" / "p")
