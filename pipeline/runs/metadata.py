"""ML Metadata of one pipeline, read without TensorFlow: what each run did and put out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from components.properties import LIVE_VERSION, PUSHED_BY
from pipeline.errors import UserError
from pipeline.runs import database
from pipeline.runs.run_result import NodeResult, NodeState, Pushed

_Event = metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution
_STATES: dict[int, NodeState] = {
    _Execution.RUNNING: "running",
    _Execution.COMPLETE: "done",
    _Execution.CACHED: "cached",
    _Execution.FAILED: "failed",
    _Execution.CANCELED: "failed",
}


def open_store(metadata: Path, *, read_only: bool = False) -> mlmd.MetadataStore:
    """Opens the database.

    Args:
        metadata: its file, which is made if there is none and it may be written.
        read_only: it is looked at alone, as beside a run that writes it.

    Raises:
        UserError: it can't be used; the sentence says why, and the way out.
    """
    sqlite = metadata_store_pb2.SqliteMetadataSourceConfig
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = (
        sqlite.READONLY if read_only else sqlite.READWRITE_OPENCREATE
    )
    try:
        return mlmd.MetadataStore(connection)
    except RuntimeError as error:
        raise _explain(metadata, error) from error


@contextmanager
def explaining(metadata: Path) -> Iterator[None]:
    """Says in a sentence what keeps an open database from being read.

    Raises:
        UserError: the block's error of ML Metadata, as a sentence.
    """
    try:
        yield
    except (mlmd_errors.StatusError, UnicodeDecodeError) as error:
        raise _explain(metadata, error) from error


def _explain(metadata: Path, error: Exception) -> UserError:
    # SQLite's phrase stands between what was tried and the query.
    found = re.search(r"(?:query|database): (.+?)(?: query:|$)", str(error), re.DOTALL)
    phrase = found[1] if found else str(error).partition(". ")[0]
    return UserError(database.explain(phrase).describe(metadata))


def find_output(
    store: mlmd.MetadataStore, run_id: str, node: str, key: str
) -> metadata_store_pb2.Artifact | None:
    """Finds the artifact that a node put out under a key in a run, live ones only."""
    for execution in _executions(store, run_id):
        if _node(store, execution) != node:
            continue
        for artifact in outputs(store, execution, key):
            if artifact.state == metadata_store_pb2.Artifact.LIVE:
                return artifact
    return None


def outputs(
    store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution, key: str | None = None
) -> list[metadata_store_pb2.Artifact]:
    """Reads the artifacts that an execution put out, of any state, all or those under a key."""
    found = [
        event.artifact_id
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == _Event.OUTPUT and key in (None, event.path.steps[0].key)
    ]
    return store.get_artifacts_by_id(found)


def find_origin(
    store: mlmd.MetadataStore, artifact: metadata_store_pb2.Artifact
) -> metadata_store_pb2.Execution:
    """Finds the execution that made an artifact, which others may have taken over since."""
    events = store.get_events_by_artifact_ids([artifact.id])
    first = min(event.execution_id for event in events if event.type == _Event.OUTPUT)
    [execution] = store.get_executions_by_id([first])
    return execution


def read_inputs(
    store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution, key: str
) -> set[int]:
    """Reads the ids of the artifacts that an execution took in under a key."""
    return {
        event.artifact_id
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == _Event.INPUT and event.path.steps[0].key == key
    }


def executions_by_node(
    store: mlmd.MetadataStore, run_id: str
) -> dict[str, metadata_store_pb2.Execution]:
    """Finds the last execution of each node that a run began."""
    return {
        _node(store, execution): execution
        for execution in sorted(_executions(store, run_id), key=lambda one: one.id)
    }


def read_nodes(store: mlmd.MetadataStore, run_id: str) -> dict[str, NodeResult]:
    """Reads how far each node came that a run began."""
    return {
        node: NodeResult(
            state=_STATES.get(execution.last_known_state, "waiting"),
            seconds=_seconds(execution),
        )
        for node, execution in executions_by_node(store, run_id).items()
    }


def _seconds(execution: metadata_store_pb2.Execution) -> float:
    """By the clock, which may have been put back meanwhile."""
    taken = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return max(taken, 0) / 1000


def read_pushed(artifact: metadata_store_pb2.Artifact, run_id: str) -> Pushed | None:
    """Reads where a model was pushed, as a run knows it; None where nothing was pushed."""
    properties = artifact.custom_properties
    # The Pusher ends well when it pushed nothing; this is where it says so.
    if not int_property(artifact, "pushed"):
        return None
    return Pushed(
        path=text_property(artifact, "pushed_destination"),
        version=text_property(artifact, "pushed_version"),
        new=PUSHED_BY not in properties or properties[PUSHED_BY].string_value == run_id,
        live_version=text_property(artifact, LIVE_VERSION) or None,
    )


def text_property(artifact: metadata_store_pb2.Artifact, name: str) -> str:
    """Reads a custom property that is text, empty where there is none."""
    properties = artifact.custom_properties
    return properties[name].string_value if name in properties else ""


def int_property(artifact: metadata_store_pb2.Artifact, name: str) -> int:
    """Reads a custom property, 0 where there is none."""
    # Asking a map of a proto for what it has not would put it there.
    properties = artifact.custom_properties
    return properties[name].int_value if name in properties else 0


def _executions(store: mlmd.MetadataStore, run_id: str) -> list[metadata_store_pb2.Execution]:
    try:
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
    except mlmd_errors.NotFoundError:
        run = None
    return store.get_executions_by_context(run.id) if run else []


def _node(store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    [name] = [
        context.name
        for context in store.get_contexts_by_execution(execution.id)
        if context.type == "node"
    ]
    return name.rpartition(".")[2]
