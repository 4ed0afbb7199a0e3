"""Strategies of TFX's resolver that pick spans.

TFX's own pick by the numbers of the spans alone, and know nothing of a data gate: what it refused
would be trained on with the next span.
"""

from collections.abc import Collection, Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.v1.dsl import Artifact

from components.span_resolvers.books import EXAMPLES, SPAN, find_earlier

CURRENT = "current"
"""Input key of the examples of this run."""

STATISTICS = "statistics"

_Artifacts = dict[str, list[Artifact]]


class SpanWindowStrategy(tfx.dsl.experimental.ResolverStrategy):
    """The examples of this run, and those of the spans before it that were accepted.

    Takes two channels: `examples`, all of the pipeline, and `current`, those of this run, which
    the gate has let pass. Puts out the window under `examples`, the newest span first.
    """

    def __init__(self, gate: str, size: int) -> None:
        """Takes the id of the data gate's node, and how many spans the window has at most."""
        self._gate = gate
        self._size = size

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: _Artifacts) -> _Artifacts:
        """Returns the window."""
        [current] = input_dict[CURRENT]
        before = find_earlier(store, self._gate, current.get_int_custom_property(SPAN))
        # The latest come last, of which there may be none to take.
        window = [one.examples for one in reversed(before)][: self._size - 1]
        return {EXAMPLES: [current, *_pick(input_dict[EXAMPLES], window)], CURRENT: [current]}


class FirstSpanStrategy(tfx.dsl.experimental.ResolverStrategy):
    """The examples of the first span that was ever accepted, before that of this run.

    Takes the channels of `SpanWindowStrategy`, and puts out one artifact under `examples`.
    """

    def __init__(self, gate: str) -> None:
        """Takes the id of the data gate's node."""
        self._gate = gate

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: _Artifacts) -> _Artifacts:
        """Returns the first examples; none where there is no span before."""
        [current] = input_dict[CURRENT]
        before = find_earlier(store, self._gate, current.get_int_custom_property(SPAN))
        first = [one.examples for one in before[:1]]
        return {EXAMPLES: _pick(input_dict[EXAMPLES], first), CURRENT: [current]}


class PreviousStatisticsStrategy(tfx.dsl.experimental.ResolverStrategy):
    """The statistics of the newest accepted span before that of this run.

    Takes two channels: `statistics`, all that a node of the pipeline made, and `current`, the
    examples of this run. Puts out one artifact under `statistics`.
    """

    def __init__(self, gate: str) -> None:
        """Takes the id of the data gate's node."""
        self._gate = gate

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: _Artifacts) -> _Artifacts:
        """Returns the statistics; none where there is no span before, or it has none."""
        [current] = input_dict[CURRENT]
        before = find_earlier(store, self._gate, current.get_int_custom_property(SPAN))
        known = [one.id for one in input_dict[STATISTICS]]
        made = _made_of(store, known, before[-1].examples) if before and known else set()
        return {
            STATISTICS: _pick(input_dict[STATISTICS], sorted(made)[-1:]),
            CURRENT: [current],
        }


def _pick(artifacts: Sequence[Artifact], ids: Sequence[int]) -> list[Artifact]:
    by_id = {artifact.id: artifact for artifact in artifacts}
    return [by_id[one] for one in ids if one in by_id]


def _made_of(store: mlmd.MetadataStore, artifacts: Collection[int], examples: int) -> set[int]:
    """Those artifacts that an execution made which took the examples in."""
    event_type = metadata_store_pb2.Event
    readers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([examples])
        if event.type == event_type.INPUT
    }
    return {
        event.artifact_id
        for event in store.get_events_by_artifact_ids(list(artifacts))
        if event.type == event_type.OUTPUT and event.execution_id in readers
    }
