"""The file of ML Metadata as a database of SQLite: what is wrong with it, and a copy of it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.model_store.files import sync_directory
from pipeline.errors import UserError

Kind = Literal["busy", "damaged", "other version", "not writable", "full", "not readable"]

REPAIR = "python -m pipeline.runs repair"
"""The command that mends a damaged database."""

_PATIENCE_S = 5.0
"""How long another process may hold the database."""

_PHRASES: tuple[tuple[str, Kind], ...] = (
    ("is locked", "busy"),
    ("readonly", "not writable"),
    ("disk is full", "full"),
    ("unable to open", "not readable"),
    ("database version", "other version"),
)
"""What SQLite and ML Metadata say, by a part of it; all else is damage."""

_WAYS_OUT: dict[Kind, str] = {
    "busy": "another process is writing it: run again when that has ended",
    "damaged": f"it is damaged: `{REPAIR}` restores the copy that the last run left, or begins "
    "anew beside it",
    "other version": "another version of ML Metadata wrote it: use the stack that made this root, "
    "or name another --root",
    "not writable": "it may not be written: mend the permissions of the file and its directory, or "
    "name another --root",
    "full": "its disk is full: make room and run again",
    "not readable": "mend its permissions, or name another --root",
}


@dataclass(frozen=True)
class Fault:
    """Why a database can't be used: of which kind, and in SQLite's words."""

    kind: Kind
    cause: str

    def describe(self, file: Path) -> str:
        """The sentence for a person, with the way out."""
        return f"{file} can't be used ({self.cause}): {_WAYS_OUT[self.kind]}."


def explain(error: Exception | str) -> Fault:
    """Tells what an error of SQLite, or one of ML Metadata about it, means."""
    cause = str(error)
    return Fault(next((kind for part, kind in _PHRASES if part in cause), "damaged"), cause)


def find_fault(file: Path, *, patience_s: float = _PATIENCE_S) -> Fault | None:
    """Reads the whole database to see whether it can be read, and tries to write.

    Args:
        file: the database; a missing one has no fault, as it is made anew.
        patience_s: how long to wait for another process.

    Returns:
        What is wrong with it; None if nothing is.
    """
    if not os.path.lexists(file):
        return None
    try:
        with closing(sqlite3.connect(file, timeout=patience_s, isolation_level=None)) as database:
            # Both need the pages that they look at, and the second a lock and a journal, too.
            [found] = database.execute("PRAGMA integrity_check(1)").fetchone()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error as error:
        return explain(error)
    except UnicodeDecodeError:
        # SQLite quotes what is damaged in what it says of it.
        return Fault("damaged", "it has text that is none")
    if found != "ok":
        return Fault("damaged", found.splitlines()[-1])
    if not tables and (backup_of(file).exists() or any(file.parent.glob("artifacts/*"))):
        return Fault("damaged", "it is empty")
    return None


def has_tables(file: Path) -> bool:
    """Whether ML Metadata has begun to use a database, which is there and sound."""
    if not file.exists():
        return False
    with closing(sqlite3.connect(file)) as database:
        found = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'Execution'")
        return bool(found.fetchone()[0])


def check(file: Path) -> None:
    """Checks that a run can use the database.

    Raises:
        UserError: it can't; the sentence says why, and the way out.
    """
    if fault := find_fault(file):
        raise UserError(fault.describe(file))


def backup_of(file: Path) -> Path:
    """Where `back_up` leaves the copy."""
    return file.with_name(f"{file.name}.backup")


def back_up(file: Path) -> None:
    """Copies the database beside it, whole or not at all: a damaged one replaces no copy.

    Raises:
        OSError: the copy can't be written; the old one stays.
        sqlite3.Error: as well, or the database can't be read.
    """
    new = file.with_name(f".{file.name}.backup.new")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database, closing(sqlite3.connect(new)) as copy:
        database.backup(copy)
    if find_fault(new):
        new.unlink()
        return
    new.replace(backup_of(file))
    sync_directory(file.parent)


@contextmanager
def writing(file: Path) -> Iterator[sqlite3.Connection]:
    """Yields a transaction, which is whole or not at all."""
    with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as database, database:
        yield database
