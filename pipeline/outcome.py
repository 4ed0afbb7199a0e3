"""What ML Metadata knows of a run: the evaluation, the serving check, the pushed model."""

import json
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from components.atomic_pusher.executor import HELD_BACK
from components.atomic_pusher.store import Store
from components.serving_check.executor import REPORT_FILE
from pipeline import nodes
from pipeline.evaluation_reader import read_evaluation
from pipeline.results import Evaluation, Pushed, Serving


def read_outcome(metadata: Path, run_id: str) -> tuple[Evaluation | None, Pushed | None]:
    """Reads what a run came to, whether its nodes ran or came from the cache.

    Args:
        metadata: the SQLite database of ML Metadata.
        run_id: the run's.

    Returns:
        The evaluation, None where the run did not get that far; and the model in the
        serving directory, None where it was not pushed.
    """
    store = _open(metadata)
    evaluation = _output(store, run_id, nodes.EVALUATOR, "evaluation")
    pushed = _output(store, run_id, nodes.PUSHER, "pushed_model")
    return (
        read_evaluation(evaluation.uri) if evaluation else None,
        _read_pushed(pushed) if pushed else None,
    )


def read_serving(metadata: Path, run_id: str) -> Serving | None:
    """Reads why a blessed model of a run must not be served, if it must not.

    Args:
        metadata: the SQLite database of ML Metadata.
        run_id: the run's.

    Returns:
        The reasons, none for a sound model; None where the run did not get that far.
    """
    store = _open(metadata)
    blessing = _output(store, run_id, nodes.SERVING_CHECK, "blessing")
    if blessing is None:
        return None
    pushed = _output(store, run_id, nodes.PUSHER, "pushed_model")
    report = Path(blessing.uri, REPORT_FILE)
    if report.exists():
        serving = Serving(**json.loads(report.read_text(encoding="utf-8")))
    else:
        sound = _int_property(blessing, "blessed")
        serving = Serving(reasons=[] if sound else ["TFX's InfraValidator refused it: see the log"])
    version = _int_property(pushed, HELD_BACK) if pushed else 0
    if version:
        reason = f"it was rolled back, as version {version}: `rollback {version}` serves it again"
        serving = serving.model_copy(update={"reasons": [*serving.reasons, reason]})
    return serving


def forget_missing_pushes(metadata: Path) -> None:
    """Marks pushed models as deleted that are no longer where, or as, they were pushed.

    So it does for those that were held back, as they may have been let go since. TFX takes a
    push from the cache as long as its own copy of the model exists. What is marked so is no
    longer taken, and the same model is pushed again.

    Args:
        metadata: the SQLite database of ML Metadata.
    """
    store = _open(metadata)
    _delete(store, [one for one in store.get_artifacts_by_type("PushedModel") if _is_gone(one)])


def forget_refusals(metadata: Path) -> None:
    """Marks the serving check's refusals as deleted, so that it looks at the model again.

    A machine that was busy or full may have been the reason.

    Args:
        metadata: the SQLite database of ML Metadata.
    """
    store = _open(metadata)
    blessings = store.get_artifacts_by_type("InfraBlessing")
    _delete(store, [one for one in blessings if not _int_property(one, "blessed")])


def _is_gone(artifact: metadata_store_pb2.Artifact) -> bool:
    pushed = _read_pushed(artifact)
    if pushed is None:
        return bool(_int_property(artifact, HELD_BACK))
    directory = Path(pushed.path)
    if not directory.exists():
        return True
    served = Store(directory.parent)
    return bool(served.faults(served.find(int(pushed.version))))


def _delete(store: mlmd.MetadataStore, artifacts: list[metadata_store_pb2.Artifact]) -> None:
    live = [one for one in artifacts if one.state == metadata_store_pb2.Artifact.LIVE]
    for artifact in live:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    store.put_artifacts(live)


def _int_property(artifact: metadata_store_pb2.Artifact, name: str) -> int:
    # Asking a map of a proto for what it has not would put it there.
    properties = artifact.custom_properties
    return properties[name].int_value if name in properties else 0


def _open(metadata: Path) -> mlmd.MetadataStore:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return mlmd.MetadataStore(connection)


def _output(
    store: mlmd.MetadataStore, run_id: str, node: str, key: str
) -> metadata_store_pb2.Artifact | None:
    """Finds the artifact that a node put out under a key in a run, live ones only."""
    try:
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
    except mlmd_errors.NotFoundError:
        run = None
    if run is None:
        return None
    for execution in store.get_executions_by_context(run.id):
        contexts = store.get_contexts_by_execution(execution.id)
        if not any(c.type == "node" and c.name.endswith(f".{node}") for c in contexts):
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


def _read_pushed(artifact: metadata_store_pb2.Artifact) -> Pushed | None:
    properties = artifact.custom_properties
    # The Pusher ends well when it pushed nothing; this is where it says so.
    if not properties["pushed"].int_value:
        return None
    return Pushed(
        path=properties["pushed_destination"].string_value,
        version=properties["pushed_version"].string_value,
    )
