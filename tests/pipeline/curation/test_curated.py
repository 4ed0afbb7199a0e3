import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import schema
from pipeline.curation import curated
from trainer_module import features


def test_both_curated_schemas_are_known_by_the_names_of_their_files():
    assert {name: one.file for name, one in curated.CURATED.items()} == {
        "schema.pbtxt": schema.SCHEMA_FILE,
        "images.pbtxt": schema.IMAGES_FILE,
    }


def test_a_curated_schema_is_read():
    found = curated.read(schema.SCHEMA_FILE)
    assert [feature.name for feature in found.feature] == [features.IMAGE, features.LABEL]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"feature {\n  nmae: 'ink'\n}\n", "2:3"),
        (b"feature {", "is no schema"),
        (b"\xff\xfe", "it is no text in UTF-8"),
    ],
    ids=["misspelled", "cut_off", "bytes"],
)
def test_what_is_no_schema_is_refused_with_its_place(tmp_path, refusal, content, reason):
    file = tmp_path / "schema.pbtxt"
    file.write_bytes(content)
    with refusal(file, reason):
        curated.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path, refusal):
    with refusal(tmp_path / "schema.pbtxt", "No such file"):
        curated.read(tmp_path / "schema.pbtxt")


def test_a_schema_without_anything_is_one(tmp_path):
    assert curated.parse("", tmp_path) == text_format.Parse("", schema_pb2.Schema())
