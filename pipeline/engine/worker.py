"""The process that runs the graph: `python -m pipeline.engine.worker EVENTS_FD`.

It is a process of its own so that nothing a library prints reaches the person's screen, so
that the command can report even a crash, and so that an interrupt always gets through.
"""

import faulthandler
import logging
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from components import verdict
from components.data_gate.findings import DataRefusedError, Finding, without_pictures
from components.evaluation.figures import EvaluationError
from components.model_store.manifest import StoreError
from components.model_store.store import Store
from pipeline import effect, nodes
from pipeline.causes import describe_cause
from pipeline.data import patterns, preparation
from pipeline.data.kinds import OwnRecords
from pipeline.engine import window
from pipeline.engine.beam.arguments import make_arguments
from pipeline.engine.beam.packaging import provide
from pipeline.engine.beside import NodeFailedError, choose_nodes
from pipeline.engine.interrupts import InterruptedRunError, Interrupts, StoppedRunError
from pipeline.engine.libraries import is_tensorflow_unused, load_libraries
from pipeline.engine.protocol import (
    INTERRUPTED,
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
from pipeline.workspace import Workspace, serving_flags, temporary, workspace

if TYPE_CHECKING:
    from pipeline.engine.beam.stages import BeamStages
    from pipeline.runs.outcome import Outcome
    from trainer_module.tfx_internals import Pipeline

Emit = Callable[[Event], None]

# Not by the name of the module, which is `__main__`.
_logger = logging.getLogger("pipeline.engine.worker")


def main() -> None:
    """Reads the request, runs it, and writes the events."""
    interrupts = Interrupts()
    # Without a buffer, so that an interrupt finds a line whole or not begun.
    with os.fdopen(int(sys.argv[1]), "wb", buffering=0) as events:

        def emit(event: Event) -> None:
            line = event.model_dump_json().encode() + b"\n"
            # Without the command there is nobody to tell: its end interrupts this process.
            with suppress(BrokenPipeError):
                while line:
                    line = line[events.write(line) :]

        request = Request.model_validate_json(sys.stdin.readline())
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
        _listen(interrupts)
        emit(_run(request, emit, interrupts))


def _listen(interrupts: Interrupts) -> None:
    """Heeds the command from here on, and tells in the log what this process is at."""
    # Where a library crashes, and where the command asks why nothing goes on.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    interrupts.take()
    # Past the buffer of sys.stdin.
    command = sys.stdin.fileno()
    threading.Thread(target=interrupts.follow, args=(command,), daemon=True).start()


def _leave(code: int) -> NoReturn:
    """Ends this process at once, now that it has reported, or has nobody to report to.

    Python would wait for threads that nobody ends, as Beam's sampler of states, and take seconds to
    tear down what the system frees by itself.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _run(request: Request, emit: Emit, interrupts: Interrupts) -> Finished:
    place = workspace(request.config.paths, request.source.dataset)
    try:
        emit(StepEvent(text="preparing the data"))
        prepare = partial(request.source.prepare, request.config.dataset, place.records)
        data = interrupts.breakable(partial(prepare, meanwhile=load_libraries))
        emit(DataEvent(examples=data.sizes))
        emit(StepEvent(text="loading TFX"))
        interrupts.breakable(load_libraries)
        return _run_graph(request, data, place, emit, interrupts)
    except StoppedRunError as error:
        return Finished(failure=Failure(cause=str(error)))
    except (UserError, StoreError, EvaluationError) as error:
        return Finished(failure=Failure(cause=str(error)), usage=True)
    except InterruptedRunError:
        return INTERRUPTED
    except Exception as error:
        _logger.exception("the run failed outside its nodes")
        return Finished(failure=Failure(cause=describe_cause(error, _places(place))))


def _places(place: Workspace) -> Collection[Path]:
    """Where a run writes."""
    return (place.root, place.serving_dir, Path("/dev/shm"))


def _run_graph(
    request: Request,
    data: preparation.Prepared,
    place: Workspace,
    emit: Emit,
    interrupts: Interrupts,
) -> Finished:
    # Here, as `load_libraries`.
    from absl import logging as absl_logging

    from pipeline import graph
    from pipeline.engine.beam.stages import BeamStages
    from pipeline.engine.cache import checked_cache, find_changes
    from pipeline.engine.dag_runner import ObservedDagRunner
    from pipeline.engine.versions import choose_versions, remember_versions
    from pipeline.fingerprint import fingerprints
    from pipeline.runs.metadata import open_store
    from pipeline.runs.pages import write_report
    from trainer_module.tfx_internals import tfx_pipeline

    absl_logging.set_verbosity(absl_logging.INFO)
    _forward_training(emit)
    # One of another version of ML Metadata is refused before anything runs.
    open_store(place.metadata)
    versions, version_notes = choose_versions(place.versions, keep=request.keep_versions)
    source = fingerprints(versions)
    scratch = temporary(place.run_dir(request.run_id))
    package = provide(request.config, scratch)
    beam_args = make_arguments(request.config, package)
    stages = BeamStages(request.config, beam_args, place.root, scratch, interrupts)

    def create(data: preparation.Prepared) -> "Pipeline":
        before = window.find_before(place.metadata, data)
        return graph.create_pipeline(request.config, data, place, source, beam_args, before=before)

    # Not after records were decoded, and not after a look at earlier spans.
    is_forkable = is_tensorflow_unused() and not window.is_wanted(request)
    span_notes = _look_at_earlier_spans(request, place, create, emit, interrupts, stages)
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
        interrupts=interrupts,
        guard=partial(stages.run, data.sizes),
        beside=choose_nodes(request.config) if is_forkable else (),
    )
    Store(place.serving_model_dir, request.config.serving.server_dir).recover()
    for node in set(nodes.NODES) - nodes.OF_SPANS - made:
        emit(NodeEvent(node=node, state="left out"))
    with checked_cache(place.root, place.serving_model_dir) as cache_notes:
        ended, findings = _run_nodes(partial(runner.run, pipeline, run_options=part), place)
    # What the run came to counts for more than its page, and than what a later one may ask for.
    with _logged("the page could not be made"):
        told = _failure_with_findings(ended, findings)
        write_report(pipeline, place, request.run_id, told)
    if not ended.failure:
        with _logged("the versions of the libraries could not be noted"):
            remember_versions(place.versions, versions)
    ended = _read_outcome(request, data, place, ended)
    notes = [
        *data.describe_set_aside(place.root),
        *effect.find_without_effect(request.config, data),
        *version_notes,
        *span_notes,
        *cache_notes,
        *ended.notes,
    ]
    found = without_pictures(findings) or ended.data_findings
    return ended.model_copy(
        update={"notes": notes, "data_findings": found, "set_aside": data.set_aside}
    )


def _run_nodes(run: Callable[[], None], place: Workspace) -> tuple[Finished, Sequence[Finding]]:
    """Runs the nodes; returns how that ended, and what the data gate stopped it for, if it did."""
    try:
        run()
    except InterruptedRunError:
        return INTERRUPTED, ()
    except StoppedRunError as error:
        return Finished(failure=Failure(cause=str(error))), ()
    except NodeFailedError as error:
        cause = error.__cause__
        found = cause.findings if isinstance(cause, DataRefusedError) else ()
        return _describe_failure(error.node, cause, place), found
    return Finished(), ()


def _describe_failure(node: str, cause: BaseException | None, place: Workspace) -> Finished:
    if isinstance(cause, InterruptedRunError):
        return INTERRUPTED
    _logger.error("%s failed", node, exc_info=cause)
    return Finished(failure=Failure(node=node, cause=describe_cause(cause, _places(place))))


def _failure_with_findings(ended: Finished, findings: Sequence[Finding]) -> verdict.Failure | None:
    if ended.failure is None:
        return None
    return verdict.Failure(
        ended.failure.cause,
        ended.failure.node,
        interrupted=ended.interrupted,
        data_findings=findings,
    )


def _look_at_earlier_spans(
    request: Request,
    place: Workspace,
    create: window.Create,
    emit: Emit,
    interrupts: Interrupts,
    stages: "BeamStages",
) -> list[str]:
    """Has the data gate look at what the window needs; returns what is left out of it."""
    from pipeline.engine.cache import checked_cache

    if not window.is_wanted(request) or not isinstance(request.source, OwnRecords):
        return []

    def look_at(name: str, data: preparation.Prepared) -> str:
        emit(StepEvent(text=f"looking at {name}"))
        return window.ask_gate(
            request.run_id,
            data,
            create,
            cache=request.cache,
            interrupts=interrupts,
            guard=partial(stages.run, data.sizes),
        )

    with checked_cache(place.root, place.serving_model_dir) as notes:
        left_out = window.take_in(request.source, request.config.dataset, place.records, look_at)
    return [*left_out, *notes]


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


def _read_outcome(
    request: Request, data: preparation.Prepared, place: Workspace, ended: Finished
) -> Finished:
    """Adds what there is to tell of the model to how the run ended."""
    from pipeline.runs.outcome import find_unfit_version, read_outcome

    flags = serving_flags(request.config.paths, place)
    name_span = None if data.span is None else partial(patterns.name_span, data.pattern)
    store = Store(place.serving_model_dir)
    try:
        outcome = read_outcome(place.metadata, request.run_id, flags, name_span)
        unfit = None
        if outcome.evaluation and not outcome.evaluation.blessed:
            unfit = find_unfit_version(place.metadata, request.run_id, store)
        notes = store.warnings()
    except Exception as error:
        _logger.exception("what the run came to could not be read")
        # Which must not pass for a run that did not get so far; why one failed counts for more.
        cause = f"what it came to can't be read: {describe_cause(error, _places(place))}"
        return ended.model_copy(update={"failure": ended.failure or Failure(cause=cause)})
    return ended.model_copy(
        update={
            "data_findings": outcome.data_findings,
            "training": outcome.training,
            "spans": outcome.spans,
            "evaluation": outcome.evaluation,
            "first_test": outcome.first_test,
            "serving": outcome.serving,
            "pushed": outcome.pushed,
            "pictures": _copy_pictures(outcome, place.run_dir(request.run_id)),
            "notes": list(notes),
            "serving_flags": flags,
            "unfit_version": unfit,
        }
    )


def _copy_pictures(outcome: "Outcome", directory: Path) -> list[str]:
    copies = []
    for picture in outcome.pictures:
        # As on a full disk. The run's page has it, too.
        with _logged(f"{picture} could not be copied"):
            copies.append(str(shutil.copy(picture, directory)))
    return copies


@contextmanager
def _logged(told: str) -> Iterator[None]:
    """Goes on after a failure, which is in the log."""
    try:
        yield
    except Exception:
        _logger.exception(told)


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


def _end() -> NoReturn:
    try:
        main()
    except BaseException:
        traceback.print_exc()
        _leave(1)
    _leave(0)


if __name__ == "__main__":
    _end()
