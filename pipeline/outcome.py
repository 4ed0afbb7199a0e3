"""What ML Metadata knows of a run: the training, the evaluation and the pushed model."""

import json
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from components.learning_rate_finder.component import CURVE_FILE, PLOT_FILE
from pipeline import nodes
from pipeline.evaluation_reader import read_evaluation
from pipeline.results import Evaluation, Pushed, Training
from trainer_module.run_fn import CURVES_FILE, SUMMARY_FILE


class Outcome(NamedTuple):
    """What a run came to, None where it did not get that far.

    Attributes:
        training: how the model was trained.
        evaluation: the figures on `test`, and the verdict.
        pushed: the model in the serving directory; None also where it was not pushed.
        pictures: the curves, in the artifacts' directories.
    """

    training: Training | None
    evaluation: Evaluation | None
    pushed: Pushed | None
    pictures: list[Path]


def read_outcome(metadata: Path, run_id: str) -> Outcome:
    """Reads what a run came to, whether its nodes ran or came from the cache.

    Args:
        metadata: the SQLite database of ML Metadata.
        run_id: the run's.

    Returns:
        The outcome.
    """
    store = _open(metadata)
    model_run = _output(store, run_id, nodes.TRAINER, "model_run")
    finder = _output(store, run_id, nodes.LEARNING_RATE_FINDER, "tuner_results")
    evaluation = _output(store, run_id, nodes.EVALUATOR, "evaluation")
    pushed = _output(store, run_id, nodes.PUSHER, "pushed_model")
    return Outcome(
        training=_read_training(model_run, finder) if model_run else None,
        evaluation=read_evaluation(evaluation.uri) if evaluation else None,
        pushed=_read_pushed(pushed) if pushed else None,
        pictures=[
            Path(artifact.uri, name)
            for artifact, name in ((finder, PLOT_FILE), (model_run, CURVES_FILE))
            if artifact
        ],
    )


def _read_training(
    model_run: metadata_store_pb2.Artifact, finder: metadata_store_pb2.Artifact | None
) -> Training:
    summary = json.loads(Path(model_run.uri, SUMMARY_FILE).read_text())
    curve = json.loads(Path(finder.uri, CURVE_FILE).read_text()) if finder else {}
    return Training(**summary, learning_rate_warning=curve.get("warning"))


def forget_missing_pushes(metadata: Path) -> None:
    """Marks pushed models as deleted whose directory is gone from where they were pushed.

    TFX takes a push from the cache as long as its own copy of the model exists. What is
    marked so is no longer taken, and the same model is pushed again.

    Args:
        metadata: the SQLite database of ML Metadata.
    """
    store = _open(metadata)
    gone = []
    for artifact in store.get_artifacts_by_type("PushedModel"):
        pushed = _read_pushed(artifact)
        if pushed and not Path(pushed.path).exists():
            artifact.state = metadata_store_pb2.Artifact.DELETED
            gone.append(artifact)
    store.put_artifacts(gone)


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
