"""What of a root nobody needs any more, and how much it is; to be used under the root's lock."""

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.model_store.store import Store
from pipeline import nodes
from pipeline.runs import history
from pipeline.runs.database import has_tables, writing
from pipeline.upkeep.leftovers import ASIDE, outputs
from pipeline.workspace import LOG_FILE, RESULT_FILE, Workspace, runs

# As ML Metadata numbers its states and events; a test holds it.
_LIVE, _DELETED = 2, 4
_COMPLETE, _CACHED = 3, 5
_INPUT, _OUTPUT = 3, 4

_OF_RUN = """
SELECT execution_id FROM Association JOIN Context ON Context.id = context_id
JOIN Type ON Type.id = Context.type_id
WHERE Type.name = 'pipeline_run' AND Context.name = ?
"""

_PUSHES = """
SELECT artifact_id, string_value FROM ArtifactProperty
WHERE name = 'pushed_destination' AND string_value != ''
"""

_BLESSED = """
SELECT Artifact.id, model.int_value FROM Artifact
JOIN ArtifactProperty AS model ON model.artifact_id = Artifact.id
JOIN ArtifactProperty AS verdict ON verdict.artifact_id = Artifact.id
WHERE Artifact.state = ? AND model.name = 'current_model_id'
      AND verdict.name = 'blessed' AND verdict.int_value = 1
ORDER BY Artifact.id DESC LIMIT 1
"""

_RECORDS = """
SELECT string_value FROM ExecutionProperty WHERE name = 'input_base' AND execution_id = ?
"""

_LAST_TRAINING = """
SELECT last_known_state FROM Execution JOIN Type ON Type.id = type_id
WHERE Type.name LIKE ? ORDER BY Execution.id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Heap:
    """What goes together: what it is, where, and its size in bytes."""

    what: str
    paths: tuple[Path, ...]
    size: int


@dataclass(frozen=True)
class Plan:
    """What would be freed.

    Attributes:
        heaps: what is deleted, by kind; none is empty.
        artifacts: the numbers of the artifacts that are marked as deleted.
        kept: the runs whose artifacts stay, the newest first.
    """

    heaps: tuple[Heap, ...]
    artifacts: tuple[int, ...]
    kept: tuple[str, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(heap.size for heap in self.heaps)


def plan(place: Workspace, keep: int) -> Plan:
    """Finds what nothing refers to that is to be kept.

    Kept is what the last runs made, took in or took from the cache, what is in a serving
    directory, whether live, pinned or withdrawn, with all that it was blessed by, and the last
    blessed model, which is the next baseline where nothing is served. Pages and results stay, too.

    Args:
        place: the pipeline's; its database is sound.
        keep: how many of the last runs are kept whole.

    Raises:
        OSError: a directory can't be read.
        sqlite3.Error: the database can't be read.
        StoreError: a serving directory can't be read, so that nobody knows what is in service.
    """
    run_ids = history.run_ids(place.root)
    kept = tuple(run_ids[:keep])
    doomed: dict[int, Path] = {}
    records: list[Path] = []
    checkpoints: list[Path] = []
    staying: set[Path] = set()
    if has_tables(place.metadata):
        with writing(place.metadata) as database:
            executions = {number for run in kept for (number,) in database.execute(_OF_RUN, (run,))}
            needed = _find_needed(database, executions, place)
            live = _live_artifacts(database, place.artifacts)
            doomed = {number: uri for number, uri in live.items() if number not in needed}
            staying = {*live.values()} - {*doomed.values()}
            records = _find_records(database, executions, place)
            checkpoints = _find_checkpoints(database, place)
    strays = [one for one in outputs(place.artifacts, lambda _: True) if one not in staying]
    heaps = (
        ("artifacts of older runs", doomed.values()),
        ("outputs that no run refers to", set(strays) - {*doomed.values()}),
        ("records of other data", records),
        ("checkpoints", checkpoints),
        ("logs of older runs", _find_logs(place, run_ids[keep:])),
        ("set aside after damage", place.root.glob(f"{ASIDE}*")),
    )
    found = [_heap(what, paths) for what, paths in heaps]
    return Plan(tuple(one for one in found if one.paths), tuple(doomed), kept)


def prune(place: Workspace, found: Plan) -> None:
    """Deletes what `plan` found, after the books say so: a kill leaves what no run refers to.

    Raises:
        OSError: something can't be deleted; the rest is tried by the next call.
        sqlite3.Error: the database can't be written; nothing is deleted.
    """
    if found.artifacts:
        with writing(place.metadata) as database:
            database.executemany(
                "UPDATE Artifact SET state = ? WHERE id = ?",
                [(_DELETED, number) for number in found.artifacts],
            )
    for heap in found.heaps:
        for path in heap.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _heap(what: str, paths: Iterable[Path]) -> Heap:
    there = tuple(sorted(path for path in paths if os.path.lexists(path)))
    return Heap(what, there, sum(_size(path) for path in there))


def _size(path: Path) -> int:
    files = [Path(place, name) for place, _, names in os.walk(path) for name in names]
    return sum(one.lstat().st_size for one in files or [path])


def _live_artifacts(database: sqlite3.Connection, artifacts: Path) -> dict[int, Path]:
    """The directories of the artifacts that are there by the books, by number."""
    rows = database.execute("SELECT id, uri FROM Artifact WHERE state = ?", (_LIVE,))
    found = {number: Path(uri) for number, uri in rows if uri}
    return {number: path for number, path in found.items() if artifacts in path.parents}


def _find_needed(database: sqlite3.Connection, executions: set[int], place: Workspace) -> set[int]:
    needed = set(_touched(database, executions))
    pushed: dict[int, Path] = {
        number: Path(destination) for number, destination in database.execute(_PUSHES)
    }
    served = {
        directory / str(version.number)
        for directory in {place.serving_model_dir, *(path.parent for path in pushed.values())}
        for version in Store(directory).versions()
    }
    pushes = {number for number, destination in pushed.items() if destination in served}
    needed |= set(_touched(database, set(_makers(database, pushes))))
    for blessing, model in database.execute(_BLESSED, (_LIVE,)):
        needed |= {blessing, model}
    return needed


def _touched(database: sqlite3.Connection, executions: set[int]) -> Iterator[int]:
    """The artifacts that executions took in or put out."""
    for number in executions:
        for (artifact,) in database.execute(
            "SELECT artifact_id FROM Event WHERE execution_id = ?", (number,)
        ):
            yield artifact


def _makers(database: sqlite3.Connection, artifacts: set[int]) -> Iterator[int]:
    for number in artifacts:
        for (execution,) in database.execute(
            "SELECT execution_id FROM Event WHERE artifact_id = ? AND type = ?", (number, _OUTPUT)
        ):
            yield execution


def _find_records(
    database: sqlite3.Connection, executions: set[int], place: Workspace
) -> list[Path]:
    """The records that only older runs took in, and what was left of a broken preparation."""
    every = {
        Path(value)
        for (value,) in database.execute(
            "SELECT DISTINCT string_value FROM ExecutionProperty WHERE name = 'input_base'"
        )
    }
    used = {Path(one) for number in executions for (one,) in database.execute(_RECORDS, (number,))}
    older = [path for path in every - used if path.parent == place.records]
    return [*older, *place.records.glob(".*")]


def _find_checkpoints(database: sqlite3.Connection, place: Workspace) -> list[Path]:
    """The states of trainings, unless the last one was broken off and may go on from there."""
    last = database.execute(_LAST_TRAINING, (f"%.{nodes.TRAINER}",)).fetchone()
    if last and last[0] not in (_COMPLETE, _CACHED):
        return []
    return [*place.checkpoints.glob("*")]


def _find_logs(place: Workspace, run_ids: Iterable[str]) -> Iterator[Path]:
    """Those of runs that left a result, without which the log alone tells of a run."""
    for run_id in run_ids:
        directory = runs(place.root) / run_id
        if (directory / RESULT_FILE).exists():
            yield directory / LOG_FILE
