"""What is seen to before each run and after it, under the root's lock."""

import sqlite3
from contextlib import suppress

from pipeline.errors import UserError
from pipeline.runs import database, relocation
from pipeline.upkeep import leftovers
from pipeline.workspace import Workspace


def prepare(place: Workspace) -> list[str]:
    """Makes a root ready for a run, whatever was killed, moved or lost since the last one.

    Args:
        place: the pipeline's.

    Returns:
        A sentence for each thing that a person should know.

    Raises:
        UserError: the database can't be used, or what is left behind can't be cleared.
    """
    database.check(place.metadata)
    notes = []
    try:
        if aside := leftovers.set_strangers_aside(place):
            notes.append(
                f"{place.metadata} knows nothing of some artifacts, which are in {aside} now."
            )
        if database.has_tables(place.metadata):
            former = relocation.mend_paths(place.metadata, place.root)
            notes += [f"The root was moved from {one}: its paths were mended." for one in former]
        leftovers.clear(place)
    except sqlite3.Error as error:
        raise UserError(database.explain(error).describe(place.metadata)) from error
    except OSError as error:
        raise UserError(
            f"{error.filename or place.root} can't be cleared away ({error.strerror}): mend its "
            "permissions, or name another --root."
        ) from error
    return notes


def conclude(place: Workspace) -> None:
    """Copies the database, so that a damaged one can be restored; a full disk fails no run."""
    with suppress(OSError, sqlite3.Error):
        if database.has_tables(place.metadata):
            database.back_up(place.metadata)
