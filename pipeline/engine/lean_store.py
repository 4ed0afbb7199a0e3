"""ML Metadata as TFX asks it, answered in a time that does not grow with the runs.

To find what a node takes in, TFX reads every execution of the pipeline, for each of its inputs, and
goes by their numbers alone. With what nodes were told, which nobody looks at, that took minutes of
a run after a thousand others; without, hundredths of a second.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from trainer_module.tfx_internals import metadata

_EXECUTIONS = """
SELECT Execution.id, type_id, last_known_state, create_time_since_epoch,
       last_update_time_since_epoch
FROM Association JOIN Execution ON Execution.id = execution_id
WHERE context_id = ?
"""


_ONE_AT_A_TIME = threading.RLock()


class LeanMetadata(metadata.Metadata):
    """A handle for TFX's launcher, on a database in a file, which one thread has at a time.

    SQLite lets one write at a time, and ML Metadata gives up on the others.
    """

    def __enter__(self) -> "LeanMetadata":
        """Waits until no other thread of this process has the database, and opens it."""
        _ONE_AT_A_TIME.acquire()
        try:
            return super().__enter__()
        except BaseException:
            _ONE_AT_A_TIME.release()
            raise

    def __exit__(self, *exception: Any) -> None:
        """Closes it."""
        try:
            super().__exit__(*exception)
        finally:
            _ONE_AT_A_TIME.release()

    @property
    def store(self) -> "LeanStore":
        """The store, while the handle is entered."""
        return LeanStore(super().store, Path(self.connection_config.sqlite.filename_uri))


class LeanStore:
    """A store that tells of executions what they are, and not what they were told.

    All else is as ML Metadata's own store has it.
    """

    def __init__(self, store: mlmd.MetadataStore, file: Path) -> None:
        """Takes the store, and the database that it has open."""
        self._store = store
        self._file = file

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has.
        """Looks in the store for all that is not here."""
        return getattr(self._store, name)

    def get_executions_by_context(
        self, context_id: int, **options: Any
    ) -> list[metadata_store_pb2.Execution]:
        """Finds the executions of a context, without their properties and names.

        Args:
            context_id: the context's number.
            options: those of ML Metadata, which then answers itself.
        """
        if any(options.values()):
            return self._store.get_executions_by_context(context_id, **options)
        # ML Metadata holds no lock between two calls, and one process makes them in turn.
        uri = f"file:{quote(str(self._file))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            rows = database.execute(_EXECUTIONS, (context_id,)).fetchall()
        return [
            metadata_store_pb2.Execution(
                id=number,
                type_id=type_id,
                last_known_state=state,
                create_time_since_epoch=created,
                last_update_time_since_epoch=updated,
            )
            for number, type_id, state, created, updated in rows
        ]
