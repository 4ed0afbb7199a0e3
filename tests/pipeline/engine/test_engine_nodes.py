"""A node on an engine: its job is cancelled where the node is left, and its failure is told."""

import signal

import apache_beam as beam
import pytest
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from pipeline.engine.beam.failures import EngineError
from pipeline.engine.beside import NodeFailedError
from pipeline.engine.dag_runner import ObservedDagRunner
from pipeline.engine.interrupts import InterruptedRunError, Interrupts
from tests.pipeline.engine.beam import standin


@tfx.dsl.components.component(use_beam=True)
def Count(  # noqa: N802
    counts: tfx.dsl.components.OutputArtifact[standard_artifacts.Examples],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
):
    with beam_pipeline as pipeline:
        _ = pipeline | beam.Create([1])


@pytest.fixture
def interrupts():
    """What heeds SIGUSR1 as a worker heeds SIGTERM, in this process, until the test ends."""
    taken = Interrupts()
    before = signal.signal(signal.SIGUSR1, taken._handle)
    yield taken
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def run(tmp_path, interrupts, monkeypatch):
    """Runs the node, whose job does what it is given; returns how the node and its jobs ended."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.db")
    )
    monkeypatch.setattr(standin.StandIn, "begun", [])

    def run(wait):
        monkeypatch.setattr(standin.StandIn, "wait", staticmethod(wait))
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="engine",
            pipeline_root=str(tmp_path / "artifacts"),
            components=[Count()],
            metadata_connection_config=connection,
            beam_pipeline_args=["--setup_file=setup.py", standin.RUNNER],
        )
        states, cause = [], None
        runner = ObservedDagRunner(
            "run", lambda node, state, note: states.append(state), interrupts=interrupts
        )
        try:
            runner.run(pipeline)
        except NodeFailedError as error:
            cause = error.__cause__
        return states[-1], cause, [one.cancelled for one in standin.StandIn.begun]

    return run


def test_job_that_ends_well_is_left_alone(run):
    assert run(lambda: None) == ("done", None, [0])


def test_job_of_an_interrupted_node_is_cancelled(run):
    state, cause, cancelled = run(lambda: signal.raise_signal(signal.SIGUSR1))
    assert (state, cancelled) == ("interrupted", [1])
    assert isinstance(cause, InterruptedRunError)


def test_job_of_a_failed_node_is_cancelled_and_told(run):
    def fail():
        raise RuntimeError("Pipeline job-7 failed in state FAILED: it is torn")

    state, cause, cancelled = run(fail)
    assert (state, cancelled) == ("failed", [1])
    assert isinstance(cause, EngineError)
    assert str(cause) == "job job-7 failed on the engine: it is torn"
