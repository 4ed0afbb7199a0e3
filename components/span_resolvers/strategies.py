"""Strategies of TFX's resolver that pick spans.

TFX's own pick by the numbers of the spans alone, and know nothing of a data gate: what it refused
would be trained on with the next span.
"""

from collections.abc import Sequence

import ml_metadata as mlmd

from components.span_resolvers.books import (
    EXAMPLES,
    SPAN,
    STATISTICS,
    find_earlier,
    find_previous_statistics,
)
from trainer_module.tfx_internals import ResolverStrategy, types

CURRENT = "current"
"""Input key of the examples of this run."""

_Artifacts = dict[str, list[types.Artifact]]


class SpanWindowStrategy(ResolverStrategy):
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


class FirstSpanStrategy(ResolverStrategy):
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


class PreviousStatisticsStrategy(ResolverStrategy):
    """The statistics of the newest accepted span before that of this run.

    Takes two channels: `statistics`, all that a node of the pipeline made, and `current`, the
    examples of this run. Puts out one artifact under `statistics`.
    """

    def __init__(self, gate: str, node: str) -> None:
        """Takes the ids of the data gate's node, and of the one that makes the statistics."""
        self._gate = gate
        self._node = node

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: _Artifacts) -> _Artifacts:
        """Returns the statistics; none where there is no span before, or it has none."""
        [current] = input_dict[CURRENT]
        span = current.get_int_custom_property(SPAN)
        found = find_previous_statistics(store, self._gate, self._node, span)
        wanted = [] if found is None else [found]
        return {STATISTICS: _pick(input_dict[STATISTICS], wanted), CURRENT: [current]}


def _pick(artifacts: Sequence[types.Artifact], ids: Sequence[int]) -> list[types.Artifact]:
    by_id = {artifact.id: artifact for artifact in artifacts}
    return [by_id[one] for one in ids if one in by_id]
