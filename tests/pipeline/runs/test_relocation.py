import json
import sqlite3

import pytest

from pipeline import nodes
from pipeline.runs import metadata
from pipeline.runs.database import writing
from pipeline.runs.relocation import mend_paths, move


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/root", "/new"),
        ("/data/root/artifacts", "/new/artifacts"),
        ("--root /data/root --dataset sample", "--root /new --dataset sample"),
        ("--root '/data/root'", "--root '/new'"),
        ('{"checkpoints": "/data/root"}', '{"checkpoints": "/new"}'),
        (json.dumps({"a": json.dumps({"b": "/data/root/c"})}), None),
        ("/data/root-2/artifacts", "/data/root-2/artifacts"),
        ("/data/root.old", "/data/root.old"),
        ("/data/roots", "/data/roots"),
        ("/mnt/data/root/a", "/mnt/data/root/a"),
    ],
)
def test_directory_is_replaced_where_a_text_names_it(text, expected):
    if expected is None:
        expected = json.dumps({"a": json.dumps({"b": "/new/c"})})
    assert move(text, "/data/root", "/new") == expected


def test_directory_with_letters_that_json_escapes_is_replaced_in_json_too():
    text = json.dumps({"directory": "/été/a"})
    assert json.loads(move(text, "/été", "/hiver\\n")) == {"directory": "/hiver\\n/a"}


@pytest.fixture
def books(tmp_path, record_run):
    """Those of a run in /data/root whose Evaluator put something out."""
    file = tmp_path / "metadata.db"
    record_run(
        file,
        "r1",
        {nodes.EVALUATOR: "COMPLETE", nodes.PUSHER: "COMPLETE"},
        evaluation="/data/root/artifacts/Evaluator/evaluation/1",
        pushed="7",
    )
    with writing(file) as database:
        database.execute(
            "INSERT INTO ExecutionProperty (execution_id, name, is_custom_property, string_value) "
            "VALUES (1, 'config', 1, ?)",
            (json.dumps({"checkpoints": "/data/root/checkpoints"}),),
        )
    return file


def uris(file):
    return {one.uri for one in metadata.open_store(file, read_only=True).get_artifacts()}


def test_books_of_a_root_that_was_moved_have_the_paths_of_now(books, tmp_path):
    assert mend_paths(books, tmp_path) == ["/data/root"]
    store = metadata.open_store(books, read_only=True)
    assert uris(books) == {f"{tmp_path}/artifacts/Evaluator/evaluation/1", ""}
    [execution] = store.get_executions_by_id([1])
    told = json.loads(execution.custom_properties["config"].string_value)
    assert told == {"checkpoints": f"{tmp_path}/checkpoints"}
    # It lies elsewhere, and was not moved.
    pushed = metadata.find_output(store, "r1", nodes.PUSHER, "pushed_model")
    assert metadata.read_pushed(pushed, "r1").path == "/served/7"
    assert mend_paths(books, tmp_path) == []


def test_paths_are_mended_all_or_none(books, tmp_path):
    with writing(books) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON ExecutionProperty "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    before = uris(books)
    with pytest.raises(sqlite3.Error):
        mend_paths(books, tmp_path)
    assert uris(books) == before
