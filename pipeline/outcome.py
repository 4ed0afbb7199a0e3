"""What ML Metadata knows of a run: training, evaluation, serving check and pushed model."""

import json
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.atomic_pusher.executor import HELD_BACK, held_back_reason
from components.atomic_pusher.store import Store
from components.evaluation.reader import read_evaluation
from components.evaluation.results import Evaluation
from components.learning_rate_finder.component import CURVE_FILE, PLOT_FILE
from components.serving_check.report import read_report
from pipeline import nodes
from pipeline.metadata import find_output, int_property, open_store, read_pushed
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
    store = open_store(metadata)
    model_run = find_output(store, run_id, nodes.TRAINER, "model_run")
    finder = find_output(store, run_id, nodes.LEARNING_RATE_FINDER, "tuner_results")
    evaluation = find_output(store, run_id, nodes.EVALUATOR, "evaluation")
    checked = find_output(store, run_id, nodes.SERVING_CHECK, "blessing")
    pushed = find_output(store, run_id, nodes.PUSHER, "pushed_model")
    return Outcome(
        training=_read_training(model_run, finder) if model_run else None,
        evaluation=read_evaluation(evaluation.uri) if evaluation else None,
        serving=_read_serving(checked, pushed) if checked else None,
        pushed=read_pushed(pushed) if pushed else None,
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
    report = read_report(Path(blessing.uri), blessed=bool(int_property(blessing, "blessed")))
    version = int_property(pushed, HELD_BACK) if pushed else 0
    held_back = [held_back_reason(version)] if version else []
    return Serving(reasons=[*report.reasons, *held_back], measures=report.measures)


def forget_missing_pushes(metadata: Path) -> None:
    """Marks pushed models as deleted that are no longer where, or as, they were pushed.

    So it does for those that were held back, as they may have been let go since. TFX takes a
    push from the cache as long as its own copy of the model exists. What is marked so is no
    longer taken, and the same model is pushed again.

    Args:
        metadata: the SQLite database of ML Metadata.
    """
    store = open_store(metadata)
    _delete(store, [one for one in store.get_artifacts_by_type("PushedModel") if _is_gone(one)])


def forget_refusals(metadata: Path) -> None:
    """Marks the serving check's refusals as deleted, so that it looks at the model again.

    A machine that was busy or full may have been the reason.

    Args:
        metadata: the SQLite database of ML Metadata.
    """
    store = open_store(metadata)
    blessings = store.get_artifacts_by_type("InfraBlessing")
    _delete(store, [one for one in blessings if not int_property(one, "blessed")])


def _is_gone(artifact: metadata_store_pb2.Artifact) -> bool:
    pushed = read_pushed(artifact)
    if pushed is None:
        return bool(int_property(artifact, HELD_BACK))
    directory = Path(pushed.path)
    served = Store(directory.parent)
    # Not one of that number which is aside: what has its name now may be no version.
    versions = [version for version in served.versions() if version.path == directory]
    return not versions or bool(served.faults(versions[0]))


def _delete(store: mlmd.MetadataStore, artifacts: list[metadata_store_pb2.Artifact]) -> None:
    live = [one for one in artifacts if one.state == metadata_store_pb2.Artifact.LIVE]
    for artifact in live:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    store.put_artifacts(live)
