import pytest

from pipeline import nodes
from pipeline.runs import database, metadata
from pipeline.upkeep import start
from tests.pipeline.upkeep.conftest import write


def test_new_root_needs_nothing(place):
    assert start.prepare(place) == []
    start.conclude(place)
    assert not database.backup_of(place.metadata).exists()


def test_root_that_was_moved_is_told_of_once(place, record_run):
    record_run(
        place.metadata,
        "r1",
        {nodes.EVALUATOR: "COMPLETE"},
        evaluation="/before/artifacts/Evaluator/evaluation/1",
    )
    moved = "The root was moved from /before: its paths were mended."
    assert start.prepare(place) == [moved]
    assert start.prepare(place) == []


def test_artifacts_without_books_are_told_of_with_where_they_are(begun):
    begun.metadata.unlink()
    [note] = start.prepare(begun)
    [aside] = begun.root.glob("set-aside-*")
    assert str(aside) in note


def test_damaged_database_is_refused_before_anything_is_cleared(begun, refusal):
    begun.metadata.write_text("no database" * 100)
    with refusal(begun.metadata, "damaged"):
        start.prepare(begun)
    assert (begun.run_dir("r1") / "tmp").exists()


def test_what_can_not_be_cleared_is_named(begun, refusal, monkeypatch):
    file = begun.root / ".index.html.new"
    file.unlink()
    write(file / "in a directory")
    with refusal(file, "can't be cleared away ("):
        start.prepare(begun)


def test_copy_of_the_database_is_left_after_a_run(begun):
    start.conclude(begun)
    copy = metadata.open_store(database.backup_of(begun.metadata), read_only=True)
    assert {*metadata.read_nodes(copy, "r1")} == {
        *(nodes.TRANSFORM, nodes.TRAINER, nodes.EVALUATOR)
    }


@pytest.mark.parametrize("size", [0, 4096])
def test_full_disk_fails_no_run_that_has_ended(begun, small_files_only, size):
    with small_files_only(size):
        start.conclude(begun)
    assert not database.backup_of(begun.metadata).exists()
