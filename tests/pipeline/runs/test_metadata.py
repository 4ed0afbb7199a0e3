import pytest
from ml_metadata import errors

from pipeline import nodes
from pipeline.runs import metadata
from pipeline.runs.database import writing
from pipeline.runs.run_result import Pushed


@pytest.fixture
def file(tmp_path):
    return tmp_path / "metadata.db"


def test_nodes_are_told_by_name_in_the_order_in_which_they_began(file, record_run):
    states = {
        nodes.STATISTICS_GEN: "CACHED",
        nodes.TRANSFORM: "COMPLETE",
        nodes.TRAINER: "FAILED",
        nodes.EVALUATOR: "CANCELED",
        nodes.PUSHER: "RUNNING",
    }
    record_run(file, "r1", states)
    record_run(file, "r2", {nodes.TRAINER: "COMPLETE"})
    found = metadata.read_nodes(metadata.open_store(file, read_only=True), "r1")
    assert [(node, one.state) for node, one in found.items()] == [
        (nodes.STATISTICS_GEN, "cached"),
        (nodes.TRANSFORM, "done"),
        (nodes.TRAINER, "failed"),
        (nodes.EVALUATOR, "failed"),
        (nodes.PUSHER, "running"),
    ]
    assert all(0 <= one.seconds < 60 for one in found.values())


def test_a_run_that_is_not_recorded_has_no_nodes_and_no_outputs(file, record_run):
    record_run(file, "r1", {nodes.PUSHER: "COMPLETE"})
    store = metadata.open_store(file, read_only=True)
    assert metadata.read_nodes(store, "r2") == {}
    assert metadata.find_output(store, "r2", nodes.PUSHER, "pushed_model") is None


@pytest.mark.parametrize(
    ("version", "expected"), [("7", Pushed(path="/served/7", version="7")), ("", None)]
)
def test_pushed_model_is_told_by_its_directory_and_version(file, record_run, version, expected):
    record_run(file, "r1", {nodes.PUSHER: "COMPLETE"}, pushed=version)
    store = metadata.open_store(file, read_only=True)
    artifact = metadata.find_output(store, "r1", nodes.PUSHER, "pushed_model")
    assert metadata.read_pushed(artifact, "r1") == expected
    assert metadata.int_property(artifact, "there is no such property") == 0


def test_a_database_that_can_not_be_read_is_one_sentence(file, refusal):
    file.write_text("no database" * 100)
    with refusal(file, "can't be used (file is not a database): it is damaged: "):
        metadata.open_store(file, read_only=True)


def test_a_database_that_can_not_be_opened_is_one_sentence_with_the_reason(tmp_path, refusal):
    with refusal("can't be used (unable to open database file): mend its permissions, "):
        metadata.open_store(tmp_path)


@pytest.mark.parametrize("version", [9, 11])
def test_a_database_of_another_version_is_told_from_a_damaged_one(file, refusal, version):
    metadata.open_store(file)
    with writing(file) as database:
        database.execute("UPDATE MLMDEnv SET schema_version = ?", (version,))
    with refusal(file, f"database version {version} is ", "another version of ML Metadata wrote"):
        metadata.open_store(file)


def test_damage_that_is_found_on_reading_is_one_sentence(file, refusal):
    text = "Error when executing query: database disk image is malformed query:  SELECT 1;"
    with refusal(file, "(database disk image is malformed)", "damaged"), metadata.explaining(file):
        raise errors.InternalError(text)


def test_a_database_is_made_where_there_is_none_unless_it_is_only_read(file, refusal):
    with refusal(file, "can't be used (unable to open database file)"):
        metadata.open_store(file, read_only=True)
    assert not file.exists()
    metadata.open_store(file)
    assert file.exists()
