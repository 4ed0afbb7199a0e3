"""What ML Metadata knows of a run: training, evaluation, serving check and pushed model."""

import json
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from components.atomic_pusher.executor import HELD_BACK
from components.atomic_pusher.store import Store
from components.evaluation.reader import read_evaluation
from components.evaluation.results import Evaluation
from components.learning_rate_finder.component import CURVE_FILE, PLOT_FILE
from components.serving_check.executor import REPORT_FILE
from pipeline import nodes
from pipeline.results import Pushed, Serving, Training
from trainer_module.run_fn import CURVES_FILE, SUMMARY_FILE


class Outcome(NamedTuple):
    """What a run came to, None where it did not get that far.

    Attributes:
        training: how the model was trained.
        evaluation: the figures on `test`, and the verdict.
        serving: why the blessed model must not be served; no reasons for a sound one.
        pushed: the model in the serving directory; None also where it was not pushed.
        pictures: the curves, in the artifacts' directories.
    """

    training: Training | None
    evaluation: Evaluation | None
    serving: Serving | None
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
    checked = _output(store, run_id, nodes.SERVING_CHECK, "blessing")
    pushed = _output(store, run_id, nodes.PUSHER, "pushed_model")
    return Outcome(
        training=_read_training(model_run, finder) if model_run else None,
        evaluation=read_evaluation(evaluation.uri) if evaluation else None,
        serving=_read_serving(checked, pushed) if checked else None,
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


def _read_serving(
    blessing: metadata_store_pb2.Artifact, pushed: metadata_store_pb2.Artifact | None
) -> Serving:
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
    if not _int_property(artifact, "pushed"):
        return None
    return Pushed(
        path=properties["pushed_destination"].string_value,
        version=properties["pushed_version"].string_value,
    )
