"""What the run before left in ML Metadata for a part of the graph to take over."""

import fnmatch
import json
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from pipeline.runs.metadata import executions_by_node, find_origin, outputs
from trainer_module.tfx_internals import pipeline_pb2

_Execution = metadata_store_pb2.Execution
_ENDED_WELL = (_Execution.COMPLETE, _Execution.CACHED)

_SOURCE = "source"
"""In a node's parameters, what follows the code: a part goes by what earlier code made."""

_INPUT_CONFIG = "input_config"
"""Of ImportExampleGen, whose driver fills in span and version."""


def find_latest_run(store: mlmd.MetadataStore) -> str | None:
    """Finds the last run that began a node; None where there was none."""
    runs = store.get_contexts_by_type("pipeline_run")
    for run in sorted(runs, key=lambda one: one.id, reverse=True):
        if store.get_executions_by_context(run.id):
            return run.name
    return None


def find_faults(
    store: mlmd.MetadataStore, run_id: str | None, pipeline: pipeline_pb2.Pipeline
) -> dict[str, str]:
    """Finds what a run did not leave so that it can be taken over.

    Args:
        store: the books.
        run_id: the run's; None where there was none.
        pipeline: as compiled for the part that is to run.

    Returns:
        As `part.decide` takes it.
    """
    names = [wrapper.pipeline_node.node_info.id for wrapper in pipeline.nodes]
    if run_id is None:
        return dict.fromkeys(names, "there was no run before")
    executions = executions_by_node(store, run_id)
    found = {
        name: _find_fault(store, executions.get(name), wrapper.pipeline_node)
        for name, wrapper in zip(names, pipeline.nodes, strict=True)
    }
    return {name: fault.format(run=run_id) for name, fault in found.items() if fault}


def _find_fault(
    store: mlmd.MetadataStore,
    execution: metadata_store_pb2.Execution | None,
    node: pipeline_pb2.PipelineNode,
) -> str | None:
    if execution is None or execution.last_known_state not in _ENDED_WELL:
        return "the run before, {run}, did not finish it"
    made = outputs(store, execution)
    if not all(_is_there(artifact) for artifact in made):
        return "what it made in the run before, {run}, is gone"
    # A resolver makes nothing of its own, and has no parameters.
    if node.parameters.parameters and not _has_parameters(find_origin(store, made[0]), node):
        return "its settings are not those of the run before, {run}"
    return None


def _is_there(artifact: metadata_store_pb2.Artifact) -> bool:
    return artifact.state == metadata_store_pb2.Artifact.LIVE and Path(artifact.uri).exists()


def _has_parameters(
    execution: metadata_store_pb2.Execution, node: pipeline_pb2.PipelineNode
) -> bool:
    """Whether an execution went by a node's parameters, leaving aside those of its code."""
    recorded = execution.custom_properties
    return all(
        name in recorded and _agree(name, _read(recorded[name]), _read(value.field_value))
        for name, value in node.parameters.parameters.items()
    )


def _read(value: metadata_store_pb2.Value) -> object:
    kind = value.WhichOneof("value")
    raw = getattr(value, kind) if kind else None
    if not isinstance(raw, str):
        return raw
    try:
        parsed = json.loads(raw)
    except ValueError:
        return raw
    if isinstance(parsed, dict):
        parsed.pop(_SOURCE, None)
    return parsed


def _agree(name: str, recorded: object, wanted: object) -> bool:
    if name != _INPUT_CONFIG or not (isinstance(recorded, dict) and isinstance(wanted, dict)):
        return recorded == wanted
    patterns = [
        (before["pattern"], now["pattern"].replace("{SPAN}", "*").replace("{VERSION}", "*"))
        for before, now in zip(recorded["splits"], wanted["splits"], strict=True)
    ]
    return all(fnmatch.fnmatch(before, now) for before, now in patterns)
