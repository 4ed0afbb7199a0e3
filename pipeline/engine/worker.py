"""The process that runs the graph: `python -m pipeline.engine.worker EVENTS_FD`.

It is a process of its own so that nothing a library prints reaches the person's screen, so
that the command can report even a crash, and so that an interrupt always gets through.
"""

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from components import verdict
from components.data_gate.findings import DataRefusedError, Finding, without_pictures
from components.evaluation.figures import EvaluationError
from components.model_store.manifest import StoreError
from components.model_store.store import Store
from pipeline import effect, nodes
from pipeline.data import patterns, preparation
from pipeline.data.kinds import OwnRecords
from pipeline.engine import window
from pipeline.engine.protocol import (
    DataEvent,
    Event,
    Finished,
    NodeEvent,
    Request,
    StepEvent,
    make_event,
)
from pipeline.errors import UserError
from pipeline.runs.run_result import Failure
from pipeline.workspace import Workspace, serving_flags, workspace

if TYPE_CHECKING:
    from tfx import v1 as tfx

Emit = Callable[[Event], None]

# Not by the name of the module, which is `__main__`.
_logger = logging.getLogger("pipeline.engine.worker")


class _InterruptedError(Exception):
    """An exception, not an exit, so that TFX marks the node as failed and cleans up."""


def main() -> None:
    """Reads the request, runs it, and writes the events."""
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as events:

        def emit(event: Event) -> None:
            events.write(event.model_dump_json() + "\n")

        signal.signal(signal.SIGTERM, _interrupt)
        request = Request.model_validate_json(sys.stdin.readline())
        threading.Thread(target=_end_with_command, daemon=True).start()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
        emit(_run(request, emit))


def _end_with_command() -> None:
    """Interrupts this process when the command is gone, however that ended."""
    # Past the buffer of sys.stdin, whose lock a waiting thread would hold when Python exits.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(number: int, frame: object) -> None:
    # Once: a second signal must not break into the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _InterruptedError


def _run(request: Request, emit: Emit) -> Finished:
    try:
        place = workspace(request.config.paths, request.source.dataset)
        emit(StepEvent(text="preparing the data"))
        data = request.source.prepare(request.config.dataset, place.records)
        emit(DataEvent(examples={k: sum(v.values()) for k, v in data.examples.items()}))
        emit(StepEvent(text="loading TFX"))
        return _run_graph(request, data, place, emit)
    except (UserError, StoreError, EvaluationError) as error:
        return Finished(failure=Failure(cause=str(error)), usage=True)
    except _InterruptedError:
        return Finished(failure=Failure(cause="interrupted"))
    except Exception as error:
        _logger.exception("the run failed outside its nodes")
        return Finished(failure=Failure(cause=describe_cause(error)))


def _run_graph(
    request: Request, data: preparation.Prepared, place: Workspace, emit: Emit
) -> Finished:
    # Here, because these import TensorFlow and TFX, which takes ten seconds and more.
    from absl import logging as absl_logging

    from pipeline import graph
    from pipeline.engine.cache import checked_cache, find_changes
    from pipeline.engine.dag_runner import NodeFailedError, ObservedDagRunner
    from pipeline.engine.versions import choose_versions, remember_versions
    from pipeline.fingerprint import fingerprints
    from pipeline.runs.metadata import open_store
    from pipeline.runs.outcome import find_unfit_version, read_outcome
    from pipeline.runs.pages import write_report
    from trainer_module.tfx_internals import tfx_pipeline

    absl_logging.set_verbosity(absl_logging.INFO)
    _forward_training(emit)
    # One of another version of ML Metadata is refused before anything runs.
    open_store(place.metadata)
    versions, version_notes = choose_versions(place.versions, keep=request.keep_versions)
    source = fingerprints(versions)

    def create(data: preparation.Prepared) -> "tfx.dsl.Pipeline":
        before = window.find_before(place.metadata, data)
        return graph.create_pipeline(request.config, data, place, source, before=before)

    span_notes = _look_at_earlier_spans(request, place, create, emit)
    pipeline = create(data)
    made = {component.id for component in pipeline.components}
    _check_ends(request, made)
    part = None
    if request.from_node or request.to_node:
        part = tfx_pipeline.RunOptions(
            from_nodes=request.from_node and [request.from_node],
            to_nodes=request.to_node and [request.to_node],
        )
    runner = ObservedDagRunner(
        request.run_id,
        lambda node, state, note: emit(NodeEvent(node=node, state=state, note=note)),
        cache=request.cache,
        find_changes=partial(find_changes, serving_model_dir=place.serving_model_dir),
    )
    Store(place.serving_model_dir, request.config.serving.server_dir).recover()
    for node in set(nodes.NODES) - nodes.OF_SPANS - made:
        emit(NodeEvent(node=node, state="left out"))
    failure, interrupted = None, False
    stopped: list[Finding] = []
    try:
        with checked_cache(place.root, place.serving_model_dir) as cache_notes:
            runner.run(pipeline, run_options=part)
        remember_versions(place.versions, versions)
    except NodeFailedError as error:
        _logger.exception("%s failed", error.node)
        failure = Failure(node=error.node, cause=describe_cause(error.__cause__))
        interrupted = isinstance(error.__cause__, _InterruptedError)
        if isinstance(error.__cause__, DataRefusedError):
            stopped = error.__cause__.findings
    try:
        told = None
        if failure:
            told = verdict.Failure(
                failure.cause, failure.node, interrupted=interrupted, data_findings=stopped
            )
        write_report(pipeline, place, request.run_id, told)
    except Exception:
        # What the run came to counts for more than its page.
        _logger.exception("the page could not be made")
    flags = serving_flags(request.config.paths, place)
    name_span = None if data.span is None else partial(patterns.name_span, data.pattern)
    outcome = read_outcome(place.metadata, request.run_id, flags, name_span)
    store = Store(place.serving_model_dir)
    unfit = None
    if outcome.evaluation and not outcome.evaluation.blessed:
        unfit = find_unfit_version(place.metadata, request.run_id, store)
    run_directory = place.run_dir(request.run_id)
    return Finished(
        data_findings=without_pictures(stopped) or outcome.data_findings,
        set_aside=data.set_aside,
        training=outcome.training,
        spans=outcome.spans,
        evaluation=outcome.evaluation,
        first_test=outcome.first_test,
        serving=outcome.serving,
        pushed=outcome.pushed,
        pictures=[shutil.copy(picture, run_directory) for picture in outcome.pictures],
        notes=[
            *data.describe_set_aside(place.root),
            *effect.find_without_effect(request.config, data),
            *version_notes,
            *span_notes,
            *cache_notes,
            *store.warnings(),
        ],
        serving_flags=flags,
        unfit_version=unfit,
        failure=failure,
    )


def _look_at_earlier_spans(
    request: Request, place: Workspace, create: window.Create, emit: Emit
) -> list[str]:
    """Has the data gate look at what the window needs; returns what is left out of it."""
    if not (window.is_wanted(request) and isinstance(request.source, OwnRecords)):
        return []

    def look_at(name: str, data: preparation.Prepared) -> str:
        emit(StepEvent(text=f"looking at {name}"))
        return window.ask_gate(request.run_id, data, create, cache=request.cache)

    return window.take_in(request.source, request.config.dataset, place.records, look_at)


def _check_ends(request: Request, made: Collection[str]) -> None:
    """Checks that the nodes are in the graph between which a part is to run.

    Raises:
        UserError: one is there only where spans came before.
    """
    for flag, node in (("--from-node", request.from_node), ("--to-node", request.to_node)):
        if node in nodes.OF_SPANS and node not in made:
            raise UserError(
                f"{flag} {node} is there only where a span came before the newest, or where "
                "dataset.window is more than 1: name another node."
            )


def _forward_training(emit: Emit) -> None:
    """Makes events of what the Trainer and the finder log of their progress."""
    from trainer_module.progress_log import LOGGER_NAME

    class _Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # What is logged there has it, see `trainer_module.progress_log`.
            emit(make_event(vars(record)["progress"]))

    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.DEBUG)
    logger.addHandler(_Forward())


def describe_cause(error: BaseException | None) -> str:
    """Puts an exception into a sentence: its kind and the line that says most.

    Args:
        error: what a node raised; None where it raised nothing.
    """
    if error is None:
        return "its inputs could not be resolved"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TensorFlow puts where it happened first and what happened last.
    if lines and lines[0].startswith("Graph execution error"):
        lines.reverse()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
