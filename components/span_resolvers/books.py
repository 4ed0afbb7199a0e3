"""What ML Metadata knows of the spans: which of them the data gate accepted."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

SPAN, VERSION = "span", "version"
"""Custom properties of `Examples`, as ImportExampleGen writes them."""

EXAMPLES = "examples"
"""The key under which examples go in and out."""

STATISTICS = "statistics"
"""The same of statistics."""


_Execution, _Event = metadata_store_pb2.Execution, metadata_store_pb2.Event
_SAID: dict[int, bool] = {
    _Execution.COMPLETE: True,
    _Execution.CACHED: True,
    _Execution.FAILED: False,
}
"""What an execution of the gate says of its examples, by its state; others say nothing."""


@dataclass(frozen=True, order=True)
class AcceptedSpan:
    """A span that the data gate accepted.

    Attributes:
        span: its number.
        version: the number of its newest version that was accepted, 0 where it has none.
        examples: the id of its `Examples`, of which the latest counts.
    """

    span: int
    version: int
    examples: int


def find_accepted(store: mlmd.MetadataStore, gate: str) -> list[AcceptedSpan]:
    """Finds the spans that can be learnt from.

    What the gate said last of examples counts. Those that were deleted since are passed over.

    Args:
        store: the books.
        gate: the id of the node that is the data gate.

    Returns:
        The oldest span first, one entry for each.
    """
    return _pick_newest([one for one in _find_examples(store, gate) if _is_there(one)])


def find_previous_statistics(
    store: mlmd.MetadataStore, gate: str, node: str, span: int
) -> int | None:
    """Finds the statistics of the newest accepted span before one, of which there still are some.

    They may outlive its examples.

    Args:
        store: the books.
        gate: the id of the node that is the data gate.
        node: the id of the node that makes the statistics.
        span: the number of the span.

    Returns:
        The id of the latest artifact; None where there is none.
    """
    accepted = _pick_newest(_find_examples(store, gate))
    for one in reversed([one for one in accepted if one.span < span]):
        made = [artifact.id for artifact in _find_made(store, node, one) if _is_there(artifact)]
        if made:
            return max(made)
    return None


def find_earlier(store: mlmd.MetadataStore, gate: str, span: int) -> list[AcceptedSpan]:
    """Finds those of `find_accepted` that are older than a span."""
    return [one for one in find_accepted(store, gate) if one.span < span]


def int_property(artifact: metadata_store_pb2.Artifact, name: str) -> int:
    """Reads a custom property, 0 where there is none."""
    # Asking a map of a proto for what it has not would put it there.
    properties = artifact.custom_properties
    return properties[name].int_value if name in properties else 0


def _find_examples(store: mlmd.MetadataStore, gate: str) -> list[metadata_store_pb2.Artifact]:
    """Those that the gate accepted, of whatever state."""
    accepted = [examples for examples, said in _read_verdicts(store, gate).items() if said]
    return list(store.get_artifacts_by_id(accepted)) if accepted else []


def _pick_newest(examples: Iterable[metadata_store_pb2.Artifact]) -> list[AcceptedSpan]:
    found = sorted(
        AcceptedSpan(int_property(one, SPAN), int_property(one, VERSION), one.id)
        for one in examples
    )
    return list({one.span: one for one in found}.values())


def _is_there(artifact: metadata_store_pb2.Artifact) -> bool:
    return artifact.state == metadata_store_pb2.Artifact.LIVE and Path(artifact.uri).exists()


def _find_made(
    store: mlmd.MetadataStore, node: str, of: AcceptedSpan
) -> list[metadata_store_pb2.Artifact]:
    """The statistics that a node made of the examples of a span."""
    ended = {
        execution.id
        for context in _node_contexts(store, node)
        for execution in store.get_executions_by_context(context.id)
        if _SAID.get(execution.last_known_state)
    }
    readers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([of.examples])
        if event.type == _Event.INPUT and event.execution_id in ended
    }
    events = store.get_events_by_execution_ids(sorted(readers)) if readers else []
    made = {
        event.artifact_id
        for event in events
        if event.type == _Event.OUTPUT and event.path.steps[0].key == STATISTICS
    }
    return list(store.get_artifacts_by_id(sorted(made))) if made else []


def _read_verdicts(store: mlmd.MetadataStore, gate: str) -> dict[int, bool]:
    """What the gate said last, by the id of the examples."""
    executions = {
        execution.id: _SAID[execution.last_known_state]
        for context in _node_contexts(store, gate)
        for execution in store.get_executions_by_context(context.id)
        if execution.last_known_state in _SAID
    }
    events = store.get_events_by_execution_ids(list(executions)) if executions else []
    return {
        event.artifact_id: executions[event.execution_id]
        for event in sorted(events, key=lambda event: event.execution_id)
        if event.type == _Event.INPUT and event.path.steps[0].key == EXAMPLES
    }


def _node_contexts(store: mlmd.MetadataStore, node: str) -> Iterable[metadata_store_pb2.Context]:
    contexts = store.get_contexts_by_type("node")
    return (context for context in contexts if context.name.rpartition(".")[2] == node)
