import contextlib
import random
import sqlite3
import subprocess
import sys

import pytest

from pipeline import nodes
from pipeline.runs import database, metadata


@pytest.fixture
def file(tmp_path, record_run):
    file = tmp_path / "metadata.db"
    record_run(file, "r1", {nodes.TRAINER: "COMPLETE", nodes.PUSHER: "COMPLETE"})
    return file


def test_sound_database_and_one_that_is_not_there_have_no_fault(file, tmp_path):
    assert database.find_fault(file) is None
    assert database.find_fault(tmp_path / "none.db") is None


def write_text(file):
    file.write_text("no database\n" * 1000)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def cut_within_a_page(file):
    file.write_bytes(file.read_bytes()[:5000])


def garble(file):
    content, chance = bytearray(file.read_bytes()), random.Random(7)
    for _ in range(2000):
        content[chance.randrange(100, len(content))] = chance.randrange(256)
    file.write_bytes(content)


def empty_beside_artifacts(file):
    (file.parent / "artifacts" / "Trainer").mkdir(parents=True)
    file.write_bytes(b"")


def empty_beside_its_copy(file):
    database.back_up(file)
    file.write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [write_text, cut, cut_within_a_page, garble, empty_beside_artifacts, empty_beside_its_copy],
)
def test_damage_is_told_with_the_command_that_mends_it(file, damage, refusal):
    damage(file)
    assert database.find_fault(file).kind == "damaged"
    with refusal(file, "it is damaged: `python -m pipeline.runs repair` restores "):
        database.check(file)


def test_empty_one_in_a_root_without_artifacts_is_that_of_a_run_that_was_killed_at_once(tmp_path):
    (tmp_path / "metadata.db").touch()
    assert database.find_fault(tmp_path / "metadata.db") is None


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_database_that_another_process_writes_is_busy(file, kind):
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sqlite3, sys\n"
            f"c = sqlite3.connect({str(file)!r}, isolation_level=None)\n"
            f"c.execute('BEGIN {kind}')\nprint(flush=True)\nsys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        fault = database.find_fault(file, patience_s=0.1)
    finally:
        holder.communicate()
    assert "another process is writing it" in fault.describe(file)
    assert database.find_fault(file) is None


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("attempt to write a readonly database", "mend the permissions of the file and its dir"),
        ("database or disk is full", "its disk is full: make room"),
        ("unable to open database file", "mend its permissions"),
        ("MLMD database version 11 is greater than library version 10", "another version of ML"),
        ("database disk image is malformed", "damaged"),
        ("malformed database schema (Type)", "damaged"),
        ("disk I/O error", "damaged"),
    ],
)
def test_what_sqlite_says_is_told_with_a_way_out(file, cause, told):
    assert told in database.explain(sqlite3.Error(cause)).describe(file)


def test_copy_is_as_the_database_was(file):
    database.back_up(file)
    write_text(file)
    database.backup_of(file).replace(file)
    assert {*metadata.read_nodes(metadata.open_store(file), "r1")} == {nodes.TRAINER, nodes.PUSHER}


def test_damaged_database_replaces_no_copy(file):
    database.back_up(file)
    before = database.backup_of(file).read_bytes()
    garble(file)
    with contextlib.suppress(sqlite3.Error):
        database.back_up(file)
    assert database.backup_of(file).read_bytes() == before


def test_transaction_is_whole_or_not_at_all(file):
    with contextlib.suppress(ZeroDivisionError), database.writing(file) as writer:
        writer.execute("DELETE FROM Execution")
        raise ZeroDivisionError
    assert len(metadata.open_store(file).get_executions()) == 2
