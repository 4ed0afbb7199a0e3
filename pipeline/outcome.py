"""What ML Metadata knows of a run: training, evaluation, serving check and pushed model."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.atomic_pusher.manifest import StoreError
from components.atomic_pusher.store import Store
from components.baseline_resolver.strategy import find_baseline
from components.evaluation.reader import read_evaluation
from components.evaluation.results import Evaluation
from components.learning_rate_finder.component import CURVE_FILE, PLOT_FILE
from components.properties import HELD_BACK
from components.report.page import Artifact
from components.serving_check.report import read_report
from components.verdict import read_refusals
from pipeline import nodes
from pipeline.metadata import (
    find_origin,
    find_output,
    int_property,
    open_store,
    read_inputs,
    read_pushed,
)
from pipeline.results import Pushed, Serving, Training
from trainer_module.run_fn import CURVES_FILE, SUMMARY_FILE


class Outcome(NamedTuple):
    """What a run came to, None where it did not get that far.

    Attributes:
        training: how the model was trained.
        evaluation: the figures on `test`, and the verdict.
        serving: why the blessed model must not be served; no reasons for a sound one.
        pushed: the model in the serving directory, as it stands there now; None also where it
            was not pushed.
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
        pushed=_read_pushed(pushed, run_id) if pushed else None,
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
    properties = Artifact.of(pushed, pushed.type).properties if pushed else {}
    return Serving(
        reasons=list(read_refusals(report.reasons, properties)), measures=report.measures
    )


def _read_pushed(artifact: metadata_store_pb2.Artifact, run_id: str) -> Pushed | None:
    pushed = read_pushed(artifact, run_id)
    if pushed is None:
        return None
    try:
        live = Store(Path(pushed.path).parent).find().number
    except StoreError:
        # It can't be read since: the push is all that is known.
        return pushed
    return pushed.model_copy(update={"live_version": str(live)})


def find_changes(store: mlmd.MetadataStore, run_id: str, serving_model_dir: Path) -> dict[str, str]:
    """Finds what a run found that is no longer so in the serving directory.

    Args:
        store: the books.
        run_id: the run's.
        serving_model_dir: where the versions of the model are.

    Returns:
        A clause by node, as `part.decide` takes it.
    """
    changes = {}
    if _is_other_baseline(store, run_id, serving_model_dir):
        changes[nodes.EVALUATOR] = "the model in service is not the one that it compared with"
    pushed = find_output(store, run_id, nodes.PUSHER, "pushed_model")
    if pushed and _is_outdated(pushed, serving_model_dir):
        changes[nodes.PUSHER] = "the serving directory is not as it left it"
    return changes


def _is_other_baseline(store: mlmd.MetadataStore, run_id: str, serving_model_dir: Path) -> bool:
    evaluation = find_output(store, run_id, nodes.EVALUATOR, "evaluation")
    model = find_output(store, run_id, nodes.TRAINER, "model")
    if evaluation is None or model is None:
        return False
    compared = read_inputs(store, find_origin(store, evaluation), "baseline_model")
    return compared != find_baseline(store, serving_model_dir, model.id)


def forget_outdated(metadata: Path, runs: Collection[str], serving_model_dir: Path) -> None:
    """Has made anew, by the nodes that are about to run, what TFX would take from the cache.

    That is a push that is not, or does not stand, as it did in the serving directory, and what
    ServingCheck refused: a machine that was busy or full may have been the reason. It is marked
    as deleted. What the run does not make anew stays.

    Args:
        metadata: the SQLite database of ML Metadata.
        runs: the nodes that are about to run.
        serving_model_dir: where the versions of the model are.
    """
    store = open_store(metadata)
    if nodes.PUSHER in runs:
        pushes = store.get_artifacts_by_type("PushedModel")
        _delete(store, [one for one in pushes if _is_outdated(one, serving_model_dir)])
    if nodes.SERVING_CHECK in runs:
        blessings = store.get_artifacts_by_type("InfraBlessing")
        _delete(store, [one for one in blessings if not int_property(one, "blessed")])


def _is_outdated(artifact: metadata_store_pb2.Artifact, serving_model_dir: Path) -> bool:
    """Whether the Pusher would find another serving directory than it left."""
    if version := int_property(artifact, HELD_BACK):
        store = Store(serving_model_dir)
        aside = [one for one in store.versions() if one.number == version and not one.visible]
        return not aside or bool(store.faults(aside[0]))
    pushed = read_pushed(artifact, run_id="")
    if pushed is None:
        return False
    directory = Path(pushed.path)
    store = Store(directory.parent)
    # Not one of that number which is aside: what has its name now may be no version.
    found = [one for one in store.versions() if one.path == directory]
    if not found or store.faults(found[0]):
        return True
    return pushed.live_version not in (None, str(store.find().number))


def _delete(store: mlmd.MetadataStore, artifacts: list[metadata_store_pb2.Artifact]) -> None:
    live = [one for one in artifacts if one.state == metadata_store_pb2.Artifact.LIVE]
    for artifact in live:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    store.put_artifacts(live)
