"""What the run before left in ML Metadata for a part of the graph to take over."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Base:
    """A run that a part may take over from.

    Attributes:
        run_id: its id.
        later: the ids of the runs since.
    """

    run_id: str
    later: tuple[str, ...]


def find_bases(store: mlmd.MetadataStore) -> Iterator[Base]:
    """Finds the runs that a part may take over from, the last one first.

    A run of a part leaves out what another part needs. So those before the last count too, back to
    one that did not end well, or came to the end of the graph.
    """
    runs = [one for one in store.get_contexts_by_type("pipeline_run") if OF_SPAN not in one.name]
    later: tuple[str, ...] = ()
    for run in sorted(runs, key=lambda one: one.id, reverse=True):
        executions = executions_by_node(store, run.name)
        if not executions:
            continue
        yield Base(run.name, later)
        well = all(one.last_known_state in _ENDED_WELL for one in executions.values())
        if nodes.REPORT in executions or not well:
            return
        later = (*later, run.name)


def find_faults(
    store: mlmd.MetadataStore, base: Base | None, pipeline: pipeline_pb2.Pipeline
) -> dict[str, list[str]]:
    """Finds what a run did not leave so that it can be taken over.

    Args:
        store: the books.
        base: the run; None where there was none.
        pipeline: as compiled for the part that is to run.

    Returns:
        As `part.decide` takes it.
    """
    compiled = {one.pipeline_node.node_info.id: one.pipeline_node for one in pipeline.nodes}
    if base is None:
        return {name: ["there was no run before"] for name in compiled}
    executions = executions_by_node(store, base.run_id)
    found = {
        name: _find_faults(store, base.run_id, executions, node) for name, node in compiled.items()
    }
    for later in base.later:
        for name, execution in executions_by_node(store, later).items():
            if found.get(name) == [] and not _has_same(store, execution, executions[name]):
                found[name] = [f"it was made anew in the run {later}"]
    return {name: faults for name, faults in found.items() if faults}


def _has_same(
    store: mlmd.MetadataStore,
    one: metadata_store_pb2.Execution,
    other: metadata_store_pb2.Execution,
) -> bool:
    """Whether both put out the same artifacts, as when the later was taken from the cache."""
    return {made.id for made in outputs(store, one)} == {made.id for made in outputs(store, other)}


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
