"""A damaged database: what can be done, and doing it; to be used under the root's lock."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.model_store.files import sync_directory
from pipeline.errors import UserError
from pipeline.runs import database
from pipeline.upkeep import leftovers
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Repair:
    """What is to be done.

    Attributes:
        way: `nothing` where the database is sound, `restore` its copy, or begin `anew`.
        cause: what is wrong with it, in SQLite's words; empty if nothing is.
    """

    way: Literal["nothing", "restore", "anew"]
    cause: str = ""

    def describe(self, place: Workspace) -> str:
        """Says what is wrong and what will be done, in two sentences at most."""
        file, copy = place.metadata, database.backup_of(place.metadata)
        if self.way == "nothing":
            return f"{file} is sound: there is nothing to repair."
        damage = f"{file} is damaged ({self.cause})."
        if self.way == "restore":
            return (
                f"{damage} Its copy, {copy.name}, takes its place; the damaged one, and artifacts "
                "of which the copy does not know, are kept aside, and what is served stays as it "
                "is."
            )
        return (
            f"{damage} There is no sound copy, so the next run begins a new one, and runs every "
            "component; the damaged one and its artifacts are kept aside, and what is served stays "
            "as it is."
        )


def plan(place: Workspace) -> Repair:
    """Looks at the database and its copy.

    Raises:
        UserError: it can't be used for another reason than damage; the sentence says the way out.
    """
    fault = database.find_fault(place.metadata) or _read_all(place.metadata)
    if fault is None:
        return Repair("nothing")
    if fault.kind != "damaged":
        raise UserError(fault.describe(place.metadata))
    copy = database.backup_of(place.metadata)
    sound = copy.exists() and not (database.find_fault(copy) or _read_all(copy))
    return Repair("restore" if sound else "anew", fault.cause)


def _read_all(file: Path) -> database.Fault | None:
    """Has ML Metadata read what SQLite found in order, as a page may hold anything."""
    if not database.has_tables(file):
        return None
    # Takes longer to load than all else here, and no other command needs it.
    from ml_metadata import errors

    from pipeline.runs import metadata

    try:
        store = metadata.open_store(file, read_only=True)
        executions = [one.id for one in store.get_executions()]
        store.get_events_by_execution_ids(executions)
        store.get_artifacts()
        store.get_contexts()
    except (errors.StatusError, UnicodeDecodeError) as error:
        return database.explain(error)
    return None


def repair(place: Workspace, found: Repair) -> Path | None:
    """Does what `plan` found; whatever is killed, the damaged database or the copy is in its place.

    Returns:
        Where the damaged database and its artifacts are now; None if nothing was done.

    Raises:
        OSError: something can't be moved or copied.
    """
    if found.way == "nothing":
        return None
    file = place.metadata
    aside = leftovers.set_aside(place.root)
    aside.mkdir()
    shutil.copy2(file, aside)
    if found.way == "restore":
        new = file.with_name(f".{file.name}.new")
        shutil.copy2(database.backup_of(file), new)
        _drop_journals(file, aside)
        new.replace(file)
    else:
        _drop_journals(file, aside)
        file.unlink()
    sync_directory(place.root)
    leftovers.set_strangers_aside(place, aside)
    return aside


def _drop_journals(file: Path, aside: Path) -> None:
    """What SQLite would play into another database than the one that it is of."""
    for journal in file.parent.glob(f"{file.name}-*"):
        journal.rename(aside / journal.name)
