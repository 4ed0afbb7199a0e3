import pytest

from components.atomic_pusher import manifest
from components.atomic_pusher.manifest import Facts, Manifest, Record, StoreError

FACTS = Facts(run="r1", source="0123", dataset="drawn", metrics={"accuracy": 0.9})
RECORD = Record(pushed="now", facts=FACTS, files={"a/b": "0"}, withdrawn="damaged")


def test_what_is_written_is_read_back(tmp_path):
    written = Manifest(pinned=3, rolling_back=2).with_record(7, RECORD)
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


@pytest.mark.parametrize("parts", [(), ("not", "there")])
def test_there_is_an_empty_manifest_where_there_is_no_file(tmp_path, parts):
    assert manifest.read(tmp_path.joinpath(*parts)) == Manifest()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"last_version": 1}', '{"last_version": "x", "pinned": null}']
)
def test_damaged_manifest_is_a_sentence_with_the_way_out(tmp_path, text):
    (tmp_path / manifest.MANIFEST_FILE).write_text(text)
    with pytest.raises(StoreError, match="is damaged: restore it, or remove it"):
        manifest.read(tmp_path)


def test_manifest_that_can_not_be_read_is_a_sentence(tmp_path):
    (tmp_path / manifest.MANIFEST_FILE).mkdir()
    with pytest.raises(StoreError, match=r"can't be read: Is a directory; mend its permissions"):
        manifest.read(tmp_path)
