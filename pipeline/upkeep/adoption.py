"""A root that came from elsewhere is made one's own; to be used under the root's lock."""

from dataclasses import dataclass

from components.model_store.files import write_atomically
from pipeline.runs import history, pages
from pipeline.runs.database import has_tables
from pipeline.upkeep import start
from pipeline.workspace import RESULT_FILE, Workspace


@dataclass(frozen=True)
class Adopted:
    """What was done: sentences on the root, and the runs whose result was written."""

    notes: tuple[str, ...]
    runs: tuple[str, ...]


def adopt(place: Workspace) -> Adopted:
    """Has a root that was moved, copied or partly lost be as one that was always here.

    The paths in the books and in each run's result are those of now; a run that the books know and
    that has no result, or none that can be read, gets what they know of it; the list of the runs
    is written anew, and so is the copy of the books.

    Args:
        place: the pipeline's.

    Raises:
        UserError: the database can't be used, or what is left behind can't be cleared.
        OSError: a result can't be written.
    """
    notes = start.prepare(place)
    written = [run_id for run_id in _known_runs(place) if _write_result(place, run_id)]
    pages.write_index(place.root)
    start.conclude(place)
    return Adopted(tuple(notes), tuple(written))


def _known_runs(place: Workspace) -> list[str]:
    known = set(history.run_ids(place.root))
    if has_tables(place.metadata):
        # Takes longer to load than all else here, and no other command needs it.
        from pipeline.runs import metadata

        store = metadata.open_store(place.metadata, read_only=True)
        known |= {run.name for run in store.get_contexts_by_type("pipeline_run")}
    return sorted(known, reverse=True)


def _write_result(place: Workspace, run_id: str) -> bool:
    """Writes a run's result as it is read now, if that differs from what is there."""
    file = place.run_dir(run_id) / RESULT_FILE
    result = history.read_run(place.root, run_id, ended=True)
    text = result.to_json()
    if not result.readable:
        # A later version of this project may be able to read it.
        file.replace(file.with_name(f"{file.name}.unreadable"))
    elif file.exists() and file.read_text(encoding="utf-8").strip() == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text)
    return True
