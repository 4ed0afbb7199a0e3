import json

import pytest

from components.model_store import manifest
from components.model_store.manifest import Manifest, ModelFacts, Record, StoreError

FACTS = ModelFacts(
    run="r1", source="0123", commit="4567-dirty", dataset="drawn", metrics={"accuracy": 0.9}
)
RECORD = Record(pushed="now", facts=FACTS, files={"a/b": "0"}, withdrawn="damaged", identity="1")
RAW = {"pushed": "now", "facts": {}, "files": {}, "withdrawn": None}


def test_what_is_written_is_read_back(tmp_path):
    written = Manifest(
        pinned=3, rolling_back=2, given_up="It was.", server_directory="/srv"
    ).with_record(7, RECORD)
    manifest.write(tmp_path, written)
    assert manifest.read(tmp_path) == written


def test_last_version_never_falls():
    assert Manifest(last_version=9).with_record(7, RECORD).last_version == 9
    assert Manifest(last_version=6).with_record(7, RECORD).last_version == 7


def test_withdrawal_is_noted_in_the_record_alone():
    before = Manifest().with_record(7, RECORD).with_record(8, RECORD)
    after = before.with_withdrawn(7, None)
    assert after.records[7].withdrawn is None
    assert after.records[8] == before.records[8]
    assert before.records[7].withdrawn == "damaged"


def test_version_without_a_record_needs_none_to_be_withdrawn():
    assert Manifest().with_withdrawn(7, "damaged") == Manifest()


def test_twins_have_the_same_files_or_the_same_identity():
    assert RECORD.is_twin({"a/b": "0"}, "")
    assert RECORD.is_twin({"c": "2"}, "1")
    assert not RECORD.is_twin({"c": "2"}, "2")
    nameless = Record(pushed="now", facts=FACTS, files={"a/b": "0"})
    assert not nameless.is_twin({"c": "2"}, "")


def test_manifest_of_an_earlier_version_is_read(tmp_path):
    document = {"last_version": 7, "pinned": None, "rolling_back": None, "records": {"7": RAW}}
    (tmp_path / manifest.MANIFEST_FILE).write_text(json.dumps(document))
    known = manifest.read(tmp_path)
    assert known.server_directory == "/models"
    assert known.records[7] == Record(pushed="now", facts=ModelFacts(), files={})


def set_field(name, value):
    return lambda document: document.update({name: value})


def set_in_record(name, value):
    return lambda document: document["records"]["7"].update({name: value})


@pytest.mark.parametrize(
    "spoil",
    [
        *(set_field("last_version", value) for value in (-1, None, "7", 1.5, True, 2**63, [])),
        *(set_field("pinned", value) for value in (-3, "3", 0.5, True, {})),
        *(set_field("rolling_back", value) for value in (-3, "3", False)),
        *(set_field("given_up", value) for value in (None, 5)),
        *(set_field("server_directory", value) for value in (None, 5)),
        *(set_field("records", value) for value in (None, [], "x", 5, {"x": RAW}, {"-7": RAW})),
        *(set_field("records", {key: RAW}) for key in ("", "07", "7.0", " 7", "٧", "9" * 5000)),
        *(set_field("records", {"7": value}) for value in (None, [], "x", 5, {})),
        *(set_in_record("pushed", value) for value in (None, 5)),
        *(set_in_record("facts", value) for value in (None, [], {"more": 1}, {"run": 5})),
        set_in_record("facts", {"commit": 5}),
        *(set_in_record("facts", {"metrics": value}) for value in (None, [], {"a": "0.9"})),
        *(set_in_record("files", value) for value in (None, [], "x", {"a": 5})),
        *(set_in_record("withdrawn", value) for value in ("so", 5, [])),
        *(set_in_record("identity", value) for value in (None, 5)),
        set_in_record("more", 1),
    ],
)
def test_junk_anywhere_in_the_manifest_is_the_same_sentence(tmp_path, spoil):
    document = {
        "last_version": 7,
        "pinned": None,
        "rolling_back": None,
        "records": {"7": {**RAW, "facts": {"metrics": {"accuracy": 0.9}}}},
    }
    path = tmp_path / manifest.MANIFEST_FILE
    path.write_text(json.dumps(document))
    assert manifest.read(tmp_path).last_version == 7
    spoil(document)
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="is damaged: restore it, or remove it"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("parts", [(), ("not", "there")])
def test_there_is_an_empty_manifest_where_there_is_no_file(tmp_path, parts):
    assert manifest.read(tmp_path.joinpath(*parts)) == Manifest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        '"x"',
        "[" * 100_000,
        '{"last_version": 1}',
        '{"last_version": "x", "pinned": null}',
    ],
)
def test_damaged_manifest_is_a_sentence_with_the_way_out(tmp_path, text):
    (tmp_path / manifest.MANIFEST_FILE).write_text(text)
    with pytest.raises(StoreError, match="is damaged: restore it, or remove it"):
        manifest.read(tmp_path)


def test_manifest_that_can_not_be_read_is_a_sentence(tmp_path):
    (tmp_path / manifest.MANIFEST_FILE).mkdir()
    with pytest.raises(StoreError, match=r"can't be read: Is a directory; mend its permissions"):
        manifest.read(tmp_path)
