"""The spans before the newest: each goes to the data gate before the window is drawn up."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.data_gate.findings import DataRefusedError
from pipeline import config, nodes
from pipeline.data import patterns
from pipeline.data.kinds import OwnRecords
from pipeline.data.preparation import Before, Prepared
from pipeline.engine import part
from pipeline.engine.beside import NodeFailedError
from pipeline.engine.interrupts import Interrupts
from pipeline.engine.protocol import Request
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.engine.dag_runner import Guard
    from trainer_module.tfx_internals import Pipeline

Create = Callable[[Prepared], "Pipeline"]
"""Makes the graph for records, with the settings of the run."""

LookAt = Callable[[str, Prepared], str]
"""Takes the name and the records of a span in to the data gate; returns why that refused it, a
clause, empty if it did not."""


def take_in(
    source: OwnRecords, settings: config.Dataset, records: Path, look_at: LookAt
) -> list[str]:
    """Has the gate look at as many spans before the newest as the window needs.

    What was looked at before comes from the cache. The oldest go first, so that each is compared
    with the one before it.

    Args:
        source: the data.
        settings: has the size of the window.
        records: what is written goes to a directory below it.
        look_at: as `LookAt`.

    Returns:
        A sentence for each span that is left out of the window, the oldest first.
    """
    *earlier, _ = source.find_spans(settings.pattern)
    needed = settings.window - 1
    left_out: dict[patterns.Edition, str] = {}
    while earlier and needed:
        # Where some are refused, those before them take their places.
        chunk, earlier = earlier[-needed:], earlier[:-needed]
        for edition in chunk:
            name = patterns.name_span(settings.pattern, edition.span)
            try:
                reason = look_at(name, source.prepare_span(settings, records, edition))
            except UserError as error:
                reason = str(error)
            if reason:
                left_out[edition] = f"{name} is not in the window: {reason}"
            else:
                needed -= 1
    return [left_out[edition] for edition in sorted(left_out)]


def is_wanted(request: Request) -> bool:
    """Whether a run draws up a window of spans."""
    settings = request.config.dataset
    return (
        settings.window > 1
        and isinstance(request.source, OwnRecords)
        and patterns.has_spans(settings.pattern)
        # A part that begins later goes by what was looked at before.
        and not request.from_node
        and nodes.SPAN_WINDOW in part.select(nodes.UPSTREAM, None, request.to_node)
    )


def find_before(metadata: Path, data: Prepared) -> Before:
    """Finds what there is of the accepted spans before that of the data.

    Args:
        metadata: the SQLite database of ML Metadata.
        data: the TFRecords.
    """
    if data.span is None:
        return Before()
    # Here, because it imports ML Metadata.
    from components.span_resolvers import books
    from pipeline.runs.metadata import open_store

    store, gate = open_store(metadata), nodes.DATA_GATE
    statistics = books.find_previous_statistics(store, gate, nodes.IMAGE_STATISTICS, data.span)
    return Before(
        examples=bool(books.find_earlier(store, gate, data.span)),
        statistics=statistics is not None,
    )


def ask_gate(
    run_id: str,
    data: Prepared,
    create: Create,
    *,
    cache: bool,
    interrupts: Interrupts,
    guard: "Guard",
) -> str:
    """Has the nodes up to the data gate run on a span, as a run of its own.

    Args:
        run_id: of the run that this is for.
        data: the span.
        create: makes the graph.
        cache: whether unchanged nodes may be taken from the cache.
        interrupts: asks to stop.
        guard: runs the executors of Beam nodes.

    Returns:
        Why the gate refused it, a clause; empty if it did not.
    """
    from pipeline.engine.dag_runner import ObservedDagRunner
    from pipeline.engine.earlier import OF_SPAN
    from trainer_module.tfx_internals import tfx_pipeline

    runner = ObservedDagRunner(
        f"{run_id}{OF_SPAN}{data.span}",
        lambda node, state, note: None,
        cache=cache,
        interrupts=interrupts,
        guard=guard,
    )
    try:
        runner.run(create(data), run_options=tfx_pipeline.RunOptions(to_nodes=[nodes.DATA_GATE]))
    except NodeFailedError as error:
        if not isinstance(error.__cause__, DataRefusedError):
            # An interrupt, or a fault, which must not pass for bad data.
            raise error.__cause__ or error from None
        return _summarize(error.__cause__)
    return ""


def _summarize(refused: DataRefusedError) -> str:
    """Says the first reason, and how many more there are: the page of a run on it has them all."""
    first, *others = [one for one in refused.findings if one.severity == "stop"]
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.feature} in {first.split}: {first.found}{more}"
