"""What the run before left in ML Metadata for a part of the graph to take over."""

import json
from collections.abc import Collection, Mapping

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from pipeline import nodes
from pipeline.engine.cache import find_fault
from pipeline.engine.differences import RATE_SOURCE, find_differences
from pipeline.runs.metadata import executions_by_node, find_origin, outputs, read_inputs
from trainer_module.tfx_internals import pipeline_pb2

_Execution = metadata_store_pb2.Execution
_LIVE = metadata_store_pb2.Artifact.LIVE
_ENDED_WELL = (_Execution.COMPLETE, _Execution.CACHED)


OF_SPAN = ".span-"
"""In the id of what a run did beforehand with a span before the newest."""


def find_latest_run(store: mlmd.MetadataStore) -> str | None:
    """Finds the last run that began a node; None where there was none."""
    runs = [one for one in store.get_contexts_by_type("pipeline_run") if OF_SPAN not in one.name]
    for run in sorted(runs, key=lambda one: one.id, reverse=True):
        if store.get_executions_by_context(run.id):
            return run.name
    return None


def find_faults(
    store: mlmd.MetadataStore, run_id: str | None, pipeline: pipeline_pb2.Pipeline
) -> dict[str, list[str]]:
    """Finds what a run did not leave so that it can be taken over.

    Args:
        store: the books.
        run_id: the run's; None where there was none.
        pipeline: as compiled for the part that is to run.

    Returns:
        As `part.decide` takes it.
    """
    compiled = {one.pipeline_node.node_info.id: one.pipeline_node for one in pipeline.nodes}
    if run_id is None:
        return {name: ["there was no run before"] for name in compiled}
    executions = executions_by_node(store, run_id)
    found = {name: _find_faults(store, run_id, executions, node) for name, node in compiled.items()}
    return {name: faults for name, faults in found.items() if faults}


def _find_faults(
    store: mlmd.MetadataStore,
    run_id: str,
    executions: Mapping[str, metadata_store_pb2.Execution],
    node: pipeline_pb2.PipelineNode,
) -> list[str]:
    name = node.node_info.id
    execution = executions.get(name)
    if execution is None and name == nodes.LEARNING_RATE_FINDER and nodes.TRAINER in executions:
        return ['learning_rate.source = "finder", where the run before had "fixed"']
    if execution is None or execution.last_known_state not in _ENDED_WELL:
        return [f"the run before, {run_id}, did not finish it"]
    made = outputs(store, execution)
    for artifact in made:
        if fault := _find_fault(artifact):
            return [f"what it made in the run before, {run_id}, {fault}"]
    # A resolver makes nothing of its own, and has no parameters.
    if not node.parameters.parameters:
        return []
    origin = find_origin(store, made[0])
    wanted = {key: _parse(one.field_value) for key, one in node.parameters.parameters.items()}
    recorded = {key: _parse(value) for key, value in origin.custom_properties.items()}
    if name == nodes.TRAINER:
        wanted[RATE_SOURCE] = _rate_source("hyperparameters" in node.inputs.inputs)
        recorded[RATE_SOURCE] = _rate_source(read_inputs(store, origin, "hyperparameters"))
    return find_differences(name, wanted, recorded)


def _find_fault(artifact: metadata_store_pb2.Artifact) -> str | None:
    return find_fault(artifact) if artifact.state == _LIVE else "is gone"


def _rate_source(hyperparameters: Collection[int] | bool) -> str:
    return "finder" if hyperparameters else "fixed"


def _parse(value: metadata_store_pb2.Value) -> object:
    kind = value.WhichOneof("value")
    raw = getattr(value, kind) if kind else None
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw
