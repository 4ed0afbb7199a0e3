import pytest

from pipeline import nodes
from pipeline.runs import database, metadata
from pipeline.upkeep import repair
from tests.pipeline.upkeep.conftest import write


def damage(place):
    place.metadata.write_bytes(b"no database" * 1000)


def nodes_of(place):
    return {*metadata.read_nodes(metadata.open_store(place.metadata), "r1")}


def test_sound_database_and_none_need_no_repair(begun, place):
    found = repair.plan(begun)
    assert found.way == "nothing"
    assert "there is nothing to repair." in found.describe(begun)
    assert repair.repair(begun, found) is None
    begun.metadata.unlink()
    assert repair.plan(begun).way == "nothing"


def test_copy_takes_the_place_of_a_damaged_database_which_is_kept(begun):
    database.back_up(begun.metadata)
    write(begun.serving_model_dir / "1" / "saved_model.pb")
    # Of a run after the copy was made.
    write(begun.artifacts / nodes.TRAINER / "model" / "9" / "lost")
    damage(begun)
    write(begun.metadata.with_name("metadata.db-journal"))
    found = repair.plan(begun)
    assert (found.way, found.cause) == ("restore", "file is not a database")
    assert "metadata.db.backup, takes its place" in found.describe(begun)
    aside = repair.repair(begun, found)
    assert nodes_of(begun) == {nodes.TRANSFORM, nodes.TRAINER, nodes.EVALUATOR}
    assert (aside / "metadata.db").read_bytes().startswith(b"no database")
    assert (aside / "metadata.db-journal").exists()
    assert (aside / "artifacts" / nodes.TRAINER / "model" / "9" / "lost").exists()
    assert (begun.artifacts / nodes.TRANSFORM / "model" / "1" / "half").exists()
    assert (begun.serving_model_dir / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize("copy", [None, b"", b"no database" * 1000])
def test_new_database_is_begun_where_there_is_no_sound_copy(begun, copy):
    if copy is not None:
        database.backup_of(begun.metadata).write_bytes(copy)
    damage(begun)
    found = repair.plan(begun)
    assert found.way == "anew"
    assert "the next run begins a new one" in found.describe(begun)
    aside = repair.repair(begun, found)
    assert not begun.metadata.exists()
    assert (aside / "metadata.db").exists()
    assert len([*aside.glob("artifacts/*/*/*/half")]) == 3
    assert repair.plan(begun).way == "nothing"


def test_what_only_ml_metadata_finds_damaged_is_restored_too(begun):
    with database.writing(begun.metadata) as writer:
        writer.execute(
            "INSERT INTO ArtifactProperty (artifact_id, name, is_custom_property, proto_value) "
            "VALUES (1, 'spoiled', 1, x'ff')"
        )
        writer.execute(
            "INSERT INTO Artifact (id, type_id, uri) SELECT 1, id, '' FROM Type "
            "WHERE type_kind = 1 LIMIT 1"
        )
    assert database.find_fault(begun.metadata) is None
    assert repair.plan(begun).way == "anew"


def test_database_that_is_busy_is_not_repaired(begun, refusal, monkeypatch):
    busy = database.Fault("busy", "database is locked")
    monkeypatch.setattr(database, "find_fault", lambda file: busy)
    with refusal("another process is writing it"):
        repair.plan(begun)


def test_damaged_database_stays_where_no_copy_can_be_made_of_it(begun, small_files_only):
    database.back_up(begun.metadata)
    damage(begun)
    with small_files_only(4096), pytest.raises(OSError, match="large"):
        repair.repair(begun, repair.plan(begun))
    assert repair.plan(begun).way == "restore"
