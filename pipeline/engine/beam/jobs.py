"""The Beam jobs of a node: known once they are begun, cancelled where the node is left.

An engine goes on with a job whose client is gone. So what leaves a node before its job has ended,
an interrupt or a failure, cancels the job first.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PortableOptions

from pipeline.engine.beam.failures import EngineError, Place, check, describe_failure
from pipeline.engine.interrupts import Interrupts

_CANCEL_S = 5.0
"""For an engine to take a cancellation: less than a worker has to clean up."""

_ENGINES = {
    "PrismRunner": "Prism",
    "FlinkRunner": "Flink",
    "SparkRunner": "Spark",
    "DataflowRunner": "Dataflow",
    "PortableRunner": "the engine",
}
"""Runners that hand a job over, and wait for it; and what people call what is behind them."""

_logger = logging.getLogger(__name__)


class Jobs:
    """The jobs of one node."""

    def __init__(self, interrupts: Interrupts) -> None:
        """Takes what asks the node to stop."""
        self._interrupts = interrupts
        self._begun: list[Any] = []

    def make_pipeline(self, arguments: Sequence[str]) -> beam.Pipeline:
        """Makes a pipeline whose job is one of these.

        Args:
            arguments: what Beam is told.
        """
        return _Pipeline(self, arguments)

    def begin(self, submit: Callable[[], Any]) -> Any:  # noqa: ANN401 - Beam's, untyped.
        """Begins a job, and returns what Beam has to follow it; it is known if that is broken off.

        Args:
            submit: hands it to the engine.
        """
        with self._interrupts.held_back():
            result = submit()
            self._begun.append(result)
        return result

    def cancel(self) -> None:
        """Cancels them, as far as the engine takes it in time; to be called after an interrupt."""
        threads = [
            threading.Thread(target=_cancel, args=(result,), daemon=True) for result in self._begun
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_CANCEL_S)


def _cancel(result: Any) -> None:  # noqa: ANN401 - Beam's, untyped.
    try:
        result.cancel()
        _logger.info("cancelled job %s", _name(result))
    except Exception:
        # As where it has ended, or the engine is gone.
        _logger.info("job %s could not be cancelled", _name(result), exc_info=True)


def _name(result: Any) -> str | None:  # noqa: ANN401 - Beam's, untyped.
    """What the engine calls a job; each kind of result says it in a way of its own."""
    name = getattr(result, "job_id", None) or getattr(result, "_job_id", None)
    return name() if callable(name) else name


class _Pipeline(beam.Pipeline):
    """One whose failure says where it happened, and whose job is known to those of its node."""

    result: Any = None

    def __init__(self, jobs: Jobs, arguments: Sequence[str]) -> None:
        super().__init__(argv=[*arguments])
        self._jobs = jobs

    def run(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Beam's, untyped.
        place = self._place()
        if place is None:
            return super().run(*args, **options)
        check(place)
        return self._jobs.begin(lambda: super(_Pipeline, self).run(*args, **options))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        except Exception as failure:
            place = self._place()
            if place is None or isinstance(failure, EngineError):
                raise
            job = _name(self.result) if self.result else None
            raise describe_failure(failure, place, job) from failure

    def _place(self) -> Place | None:
        """Where the job goes; None where this process runs it."""
        kinds = [kind.__name__ for kind in type(self.runner).__mro__]
        engine = next((_ENGINES[kind] for kind in kinds if kind in _ENGINES), None)
        if engine is None:
            return None
        told = self.options.view_as(PortableOptions)
        # Beam's word for a job server of its own, in this process.
        address = None if told.job_endpoint == "embed" else told.job_endpoint
        external = (told.environment_type or "").upper() == "EXTERNAL"
        return Place(engine, address, told.environment_config if external else None)
