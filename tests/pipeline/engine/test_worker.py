import logging
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from components.evaluation.figures import EvaluationError
from components.model_store.manifest import StoreError
from pipeline import config
from pipeline.data.kinds import Sample
from pipeline.data.preparation import Prepared
from pipeline.engine import worker
from pipeline.engine.protocol import (
    DataEvent,
    Finished,
    RangeTestEvent,
    Request,
    StepEvent,
    TrainingEvent,
    parse_event,
)
from pipeline.errors import UserError
from pipeline.runs.run_result import Failure

COUNTS = {"train": {"Shirt": 2, "Bag": 3}, "test": {"Shirt": 1, "Bag": 0}}


@pytest.fixture
def request_(tmp_path):
    return Request(
        run_id="r1",
        config=config.Config(paths=config.Paths(root=tmp_path)),
        source=Sample(),
        from_node=None,
        to_node=None,
        cache=True,
    )


@pytest.fixture
def prepare(monkeypatch):
    """Has the data prepared by something else: what it returns or raises."""

    def prepare(outcome):
        def stand_in(source, settings, parent):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(Sample, "prepare", stand_in)

    return prepare


@pytest.fixture
def graph_that_ends_well(monkeypatch):
    monkeypatch.setattr(worker, "_run_graph", lambda request, data, place, emit: Finished())


def prepared(tmp_path, examples):
    return Prepared(Sample(), tmp_path, "*", examples)


GRAPH_ERROR = """Graph execution error:

Detected at node model/conv defined at (most recent call last):
  File "x.py", line 1, in <module>

Input is empty.
"""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("no such slice"), "ValueError: no such slice"),
        (RuntimeError("\n  first line  \nsecond line\n"), "RuntimeError: first line"),
        (RuntimeError(GRAPH_ERROR), "RuntimeError: Input is empty."),
        (ValueError(), "ValueError"),
        (ValueError("  \n \n"), "ValueError"),
        (
            FileNotFoundError(2, "No such file", "/x"),
            "FileNotFoundError: [Errno 2] No such file: '/x'",
        ),
        (KeyError("label"), "KeyError: 'label'"),
        (None, "its inputs could not be resolved"),
    ],
)
def test_a_cause_is_one_line_with_the_kind_of_the_error(error, sentence):
    assert worker.describe_cause(error) == sentence


@pytest.mark.parametrize(
    ("error", "finished"),
    [
        (UserError("No data."), Finished(failure=Failure(cause="No data."), usage=True)),
        (worker._InterruptedError(), Finished(failure=Failure(cause="interrupted"))),
        (
            ZeroDivisionError("by zero"),
            Finished(failure=Failure(cause="ZeroDivisionError: by zero")),
        ),
    ],
    ids=["usage", "interrupt", "defect"],
)
def test_whatever_goes_wrong_outside_the_nodes_becomes_a_failure(
    request_, prepare, error, finished
):
    prepare(error)
    assert worker._run(request_, lambda event: None) == finished


@pytest.mark.parametrize("kind", [StoreError, EvaluationError])
def test_what_is_damaged_is_for_the_user_to_mend(request_, prepare, kind):
    prepare(kind("The manifest is damaged."))
    finished = worker._run(request_, lambda event: None)
    assert finished == Finished(failure=Failure(cause="The manifest is damaged."), usage=True)


def test_a_defect_leaves_its_traceback_in_the_log(request_, prepare, caplog):
    prepare(ZeroDivisionError("by zero"))
    worker._run(request_, lambda event: None)
    assert "Traceback" in caplog.text
    assert "by zero" in caplog.text


@pytest.mark.usefixtures("graph_that_ends_well")
def test_steps_and_the_size_of_each_split_are_told_before_the_graph_runs(
    request_, prepare, tmp_path
):
    prepare(prepared(tmp_path, COUNTS))
    events = []
    assert worker._run(request_, events.append) == Finished()
    assert events == [
        StepEvent(text="preparing the data"),
        DataEvent(examples={"train": 5, "test": 1}),
        StepEvent(text="loading TFX"),
    ]


def test_the_sample_is_prepared_below_a_root_of_its_own(request_, monkeypatch, tmp_path):
    asked = []

    def stand_in(source, settings, parent):
        asked.append((settings, source, parent))
        raise UserError("Enough.")

    monkeypatch.setattr(Sample, "prepare", stand_in)
    worker._run(request_, lambda event: None)
    place = tmp_path / "sample" / "records"
    assert asked == [(request_.config.dataset, request_.source, place)]


@pytest.fixture
def sigterm():
    """Lets a test change what SIGTERM does."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_a_second_signal_does_not_break_into_the_cleaning_up():
    signal.signal(signal.SIGTERM, worker._interrupt)
    with pytest.raises(worker._InterruptedError):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("sigterm", "graph_that_ends_well")
def test_worker_reads_the_request_and_writes_a_line_an_event(
    request_, prepare, monkeypatch, tmp_path
):
    prepare(prepared(tmp_path, COUNTS))
    read, write = os.pipe()
    monkeypatch.setattr(sys, "argv", ["worker", str(write)])
    requests, ours = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True))
    monkeypatch.setattr(sys, "stdin", requests)
    # The command's end of the pipe stays open, as it does while the command lives.
    print(request_.model_dump_json(), file=ours, flush=True)
    monkeypatch.setattr(worker, "_end_with_command", lambda: None)
    worker.main()
    with requests, ours, os.fdopen(read) as lines:
        events = [parse_event(line) for line in lines]
    assert [event.kind for event in events] == ["step", "data", "step", "finished"]
    assert signal.getsignal(signal.SIGTERM) is worker._interrupt


WAIT = """
import signal, threading, time
from pipeline.engine import worker

signal.signal(signal.SIGTERM, worker._interrupt)
threading.Thread(target=worker._end_with_command, daemon=True).start()
print("waiting", flush=True)
time.sleep(20)
"""


def test_worker_is_interrupted_when_the_command_is_gone():
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        assert process.poll() is None
        # As the system does for a command that was killed.
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert err.splitlines()[-1].startswith("pipeline.engine.worker._InterruptedError")


def test_what_trainer_and_finder_log_becomes_events(monkeypatch):
    # A stand-in, since the real module imports Keras.
    monkeypatch.setitem(
        sys.modules, "trainer_module.progress_log", SimpleNamespace(LOGGER_NAME="tests.training")
    )
    logger = logging.getLogger("tests.training")
    events = []
    worker._forward_training(events.append)
    test = {"point": 1, "points": 3, "rate": 0.1, "loss": 2.5}
    figures = {"epoch": 1, "epochs": 3, "step": 2, "steps": 9, "loss": 0.5, "accuracy": 0.75}
    try:
        logger.debug("range test", extra={"progress": {"kind": "range_test", **test}})
        # `learning_rate` stands for figures that no event has.
        progress = {"kind": "training", **figures, "learning_rate": 0.1}
        logger.debug("training", extra={"progress": progress})
    finally:
        logger.handlers.clear()
    assert events == [RangeTestEvent(**test), TrainingEvent(**figures)]
