"""What TFX would take from its cache though it is no longer so: it looks at nothing outside."""

from collections.abc import Collection
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.baseline_resolver.strategy import find_baseline
from components.model_store.store import Store
from components.properties import HELD_BACK
from pipeline import nodes
from pipeline.runs.metadata import (
    find_origin,
    find_output,
    int_property,
    open_store,
    read_inputs,
    read_pushed,
)


def find_changes(
    store: mlmd.MetadataStore, run_id: str, serving_model_dir: Path
) -> dict[str, list[str]]:
    """Finds what a run found that is no longer so in the serving directory.

    Args:
        store: the books.
        run_id: the run's.
        serving_model_dir: where the versions of the model are.

    Returns:
        Clauses by node, as `part.decide` takes it.
    """
    changes = {}
    if _is_other_baseline(store, run_id, serving_model_dir):
        changes[nodes.EVALUATOR] = ["the model in service is not the one that it compared with"]
    pushed = find_output(store, run_id, nodes.PUSHER, "pushed_model")
    if pushed and _is_outdated(pushed, serving_model_dir):
        changes[nodes.PUSHER] = ["the serving directory is not as it left it"]
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
