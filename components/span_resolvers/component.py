"""The resolvers of spans, as nodes of the graph: TFX's resolver with strategies of our own."""

from components.span_resolvers.strategies import (
    CURRENT,
    FirstSpanStrategy,
    PreviousStatisticsStrategy,
    SpanWindowStrategy,
)
from trainer_module.tfx_internals import Resolver, standard_artifacts, types

_EXAMPLES = standard_artifacts.Examples
_STATISTICS = standard_artifacts.ExampleStatistics


def create_span_window(current: types.BaseChannel, gate: str, size: int) -> Resolver:
    """Constructs a node that resolves what to learn from; it is to run after the data gate.

    Args:
        current: `Examples`, those of this run.
        gate: the id of the data gate's node.
        size: how many spans there are at most.

    Returns:
        A node that puts out `examples`, an artifact for each span, as `SpanWindowStrategy` says.
    """
    return Resolver(
        strategy_class=SpanWindowStrategy,
        config={"gate": gate, "size": size},
        examples=types.Channel(type=_EXAMPLES),
        **{CURRENT: current},
    )


def create_first_span(current: types.BaseChannel, gate: str) -> Resolver:
    """Constructs a node that resolves the first span that was accepted.

    Args:
        current: `Examples`, those of this run.
        gate: the id of the data gate's node.

    Returns:
        A node that puts out `examples`, or none, as `FirstSpanStrategy` says.
    """
    return Resolver(
        strategy_class=FirstSpanStrategy,
        config={"gate": gate},
        examples=types.Channel(type=_EXAMPLES),
        **{CURRENT: current},
    )


def create_previous_statistics(current: types.BaseChannel, gate: str, node: str) -> Resolver:
    """Constructs a node that resolves what the newest span is to be compared with.

    Args:
        current: `Examples`, those of this run.
        gate: the id of the data gate's node.
        node: the id of the node that makes the statistics.

    Returns:
        A node that puts out `statistics`, or none, as `PreviousStatisticsStrategy` says.
    """
    return Resolver(
        strategy_class=PreviousStatisticsStrategy,
        config={"gate": gate, "node": node},
        statistics=types.Channel(
            type=_STATISTICS, producer_component_id=node, output_key="statistics"
        ),
        **{CURRENT: current},
    )
