"""ML Metadata of one pipeline, read without TensorFlow: what each run did and put out."""

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import UserError
from pipeline.results import NodeResult, NodeState, Pushed

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
        UserError: it can't be read.
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
        raise UserError(
            f"{metadata} can't be read: it is damaged, or a run is writing it just now, so try "
            "again."
        ) from error


def find_output(
    store: mlmd.MetadataStore, run_id: str, node: str, key: str
) -> metadata_store_pb2.Artifact | None:
    """Finds the artifact that a node put out under a key in a run, live ones only."""
    for execution in _executions(store, run_id):
        if _node(store, execution) != node:
            continue
        outputs = [
            event.artifact_id
            for event in store.get_events_by_execution_ids([execution.id])
            if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps[0].key == key
        ]
        for artifact in store.get_artifacts_by_id(outputs):
            if artifact.state == metadata_store_pb2.Artifact.LIVE:
                return artifact
    return None


def read_nodes(store: mlmd.MetadataStore, run_id: str) -> dict[str, NodeResult]:
    """Reads how far each node came that a run began."""
    return {
        _node(store, execution): NodeResult(
            state=_STATES.get(execution.last_known_state, "waiting"),
            seconds=(execution.last_update_time_since_epoch - execution.create_time_since_epoch)
            / 1000,
        )
        for execution in sorted(_executions(store, run_id), key=lambda one: one.id)
    }


def read_pushed(artifact: metadata_store_pb2.Artifact) -> Pushed | None:
    """Reads where a model was pushed; None where the Pusher pushed nothing."""
    properties = artifact.custom_properties
    # The Pusher ends well when it pushed nothing; this is where it says so.
    if not int_property(artifact, "pushed"):
        return None
    return Pushed(
        path=properties["pushed_destination"].string_value,
        version=properties["pushed_version"].string_value,
    )


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
