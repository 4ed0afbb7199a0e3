"""What a run that was killed leaves behind; to be cleared under the root's lock alone."""

import datetime
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.runs.database import has_tables, writing
from pipeline.workspace import Workspace, runs, temporary

# As ML Metadata's `Execution.State` numbers them; a test holds it.
_NEW, _RUNNING, _FAILED = 1, 2, 4

ASIDE = "set-aside-"
"""Begins the names of directories in a root that hold what nothing refers to."""

_SYSTEM = ".system"
"""The directory in which TFX keeps what a node needs while it runs."""


def clear(place: Workspace) -> None:
    """Clears what killed runs left: no other run can be alive while the lock is held.

    Executions that go on for ever are marked as failed, and their outputs deleted, as are
    temporary files, and what TFX keeps of a node while it runs.

    Args:
        place: the pipeline's; its database is sound.

    Raises:
        OSError: something can't be deleted.
        sqlite3.Error: the database can't be written.
    """
    for directory in place.artifacts.glob(f"*/{_SYSTEM}/*/*"):
        shutil.rmtree(directory)
    for run in runs(place.root).glob("*"):
        shutil.rmtree(temporary(run), ignore_errors=True)
    for file in (*place.root.glob(".*.new"), *runs(place.root).glob("*/.*.new")):
        file.unlink()
    if has_tables(place.metadata):
        _end_executions(place)


def _end_executions(place: Workspace) -> None:
    unfinished = (_NEW, _RUNNING)
    with writing(place.metadata) as database:
        rows = database.execute(
            "SELECT id FROM Execution WHERE last_known_state IN (?, ?)", unfinished
        )
        begun = {number for (number,) in rows}
        # What is half written is deleted before it is forgotten.
        for directory in outputs(place.artifacts, begun.__contains__):
            shutil.rmtree(directory)
        database.execute(
            "UPDATE Execution SET last_known_state = ? WHERE last_known_state IN (?, ?)",
            (_FAILED, *unfinished),
        )


def set_strangers_aside(place: Workspace, aside: Path | None = None) -> Path | None:
    """Moves away outputs of executions that are to come, which TFX would write into.

    They are there where the database was lost, or one of an earlier time took its place: it
    numbers executions on from where it stopped.

    Args:
        place: the pipeline's; its database is sound, or missing.
        aside: the directory that gets them; a new one if None.

    Returns:
        The directory that has them now; None where there were none.

    Raises:
        OSError: something can't be moved.
        sqlite3.Error: the database can't be read.
    """
    last = _last_execution(place.metadata)
    strangers = list(outputs(place.artifacts, lambda number: number > last))
    if not strangers:
        return None
    aside = aside or set_aside(place.root)
    for directory in strangers:
        target = aside / directory.relative_to(place.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        directory.rename(target)
    return aside


def set_aside(root: Path) -> Path:
    """Names a new directory in a root for what is kept though nothing refers to it."""
    now = datetime.datetime.now().astimezone()
    return root / f"{ASIDE}{now:%Y-%m-%dT%H-%M-%S.%f}"


def _last_execution(metadata: Path) -> int:
    if not has_tables(metadata):
        return 0
    with writing(metadata) as database:
        [last] = database.execute("SELECT max(id) FROM Execution").fetchone()
    return last or 0


def outputs(artifacts: Path, matches: Callable[[int], bool]) -> Iterator[Path]:
    """Yields the directories of what nodes put out.

    Args:
        artifacts: where they are.
        matches: takes the number of the execution, and says whether its outputs are wanted.
    """
    for directory in artifacts.glob("*/*/*"):
        if directory.name.isdecimal() and matches(int(directory.name)):
            yield directory
