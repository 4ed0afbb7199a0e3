"""Jobs are known once begun, cancelled where their node is left, and tell where they failed."""

import signal
import time

import apache_beam as beam
import pytest

from pipeline.engine.beam import jobs as subject
from pipeline.engine.beam.failures import EngineError
from pipeline.engine.beam.jobs import Jobs
from pipeline.engine.interrupts import InterruptedRunError, Interruption, Interrupts
from tests.pipeline.engine.beam import standin


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.setattr(standin.StandIn, "begun", [])

    def set_up(**behaviour):
        for name, call in behaviour.items():
            monkeypatch.setattr(standin.StandIn, name, staticmethod(call))
        return standin.StandIn

    return set_up


@pytest.fixture
def interrupts(monkeypatch):
    """What heeds SIGUSR1 as a worker heeds SIGTERM, in this process, until the test ends."""
    taken = Interrupts()
    before = signal.signal(signal.SIGUSR1, taken._handle)
    yield taken
    signal.signal(signal.SIGUSR1, before)


def interrupt():
    signal.raise_signal(signal.SIGUSR1)


def fail(error):
    raise error


def run(jobs, *arguments):
    with jobs.make_pipeline([standin.RUNNER, *arguments]) as pipeline:
        _ = pipeline | beam.Create([1])


def test_job_that_ends_well_is_left_alone(runner):
    begun = runner().begun
    run(Jobs(Interrupts()))
    assert [one.cancelled for one in begun] == [0]


def test_job_is_cancelled_where_waiting_for_it_is_broken_off(runner, interrupts):
    begun, jobs = runner(wait=interrupt).begun, Jobs(interrupts)
    with pytest.raises(InterruptedRunError):
        interrupts.breakable(lambda: run(jobs))
    jobs.cancel()
    assert [one.cancelled for one in begun] == [1]


def test_interrupt_waits_until_the_job_is_known(runner, interrupts):
    seen = []
    begun = runner(submit=interrupt, wait=lambda: seen.append("waited")).begun
    jobs = Jobs(interrupts)
    with pytest.raises(InterruptedRunError):
        interrupts.breakable(lambda: run(jobs))
    jobs.cancel()
    assert ([one.cancelled for one in begun], seen) == ([1], [])


def test_job_that_can_not_be_cancelled_keeps_nobody(runner, monkeypatch):
    monkeypatch.setattr(subject, "_CANCEL_S", 0.1)
    begun, jobs = runner(wait=lambda: fail(ValueError("x"))).begun, Jobs(Interrupts())
    with pytest.raises(EngineError):
        run(jobs)
    monkeypatch.setattr(begun[0], "cancel", lambda: time.sleep(10), raising=False)
    began = time.monotonic()
    jobs.cancel()
    assert time.monotonic() - began < 5


def test_cancellation_that_fails_is_no_failure(runner, monkeypatch):
    begun, jobs = runner().begun, Jobs(Interrupts())
    run(jobs)
    monkeypatch.setattr(begun[0], "cancel", lambda: fail(RuntimeError("gone")), raising=False)
    jobs.cancel()


def test_failure_of_a_job_names_job_and_engine(runner):
    runner(wait=lambda: fail(RuntimeError("Pipeline job-7 failed in state FAILED: it is torn")))
    with pytest.raises(EngineError) as caught:
        run(Jobs(Interrupts()))
    assert str(caught.value) == "job job-7 failed on the engine: it is torn"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_failure_to_begin_a_job_is_told_as_such(runner):
    runner(submit=lambda: fail(RuntimeError("Unable to fetch a jar")))
    with pytest.raises(EngineError) as caught:
        run(Jobs(Interrupts()))
    assert str(caught.value) == "no job could be begun on the engine: Unable to fetch a jar"


def test_job_is_not_handed_over_where_nobody_answers(runner, free_port):
    begun = runner().begun
    with pytest.raises(EngineError, match="no job can be begun on the engine at localhost:"):
        run(Jobs(Interrupts()), f"--job_endpoint=localhost:{free_port}")
    assert not begun


def test_what_fails_before_the_job_stays_as_it_is(runner):
    begun = runner().begun
    jobs = Jobs(Interrupts())
    with pytest.raises(ZeroDivisionError), jobs.make_pipeline([standin.RUNNER]):
        fail(ZeroDivisionError())
    assert not begun


def test_pipeline_on_this_machine_is_beams_own_and_may_be_broken_off(interrupts):
    """Beam's local runner returns only when all is done."""
    local = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"

    def break_off(element):
        interrupt()

    def work():
        with Jobs(interrupts).make_pipeline([local]) as pipeline:
            _ = pipeline | beam.Create([1]) | beam.Map(break_off)
        raise AssertionError("it went on")

    with pytest.raises(InterruptedRunError) as caught:
        interrupts.breakable(work)
    assert isinstance(caught.value.__cause__, Interruption | RuntimeError)
