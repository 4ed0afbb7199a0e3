import io
import logging
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from components.evaluation.figures import EvaluationError
from components.model_store.manifest import StoreError
from pipeline import config
from pipeline.data.kinds import Sample
from pipeline.data.preparation import Prepared
from pipeline.engine import worker
from pipeline.engine.interrupts import InterruptedRunError, Interrupts, StoppedRunError
from pipeline.engine.protocol import (
    INTERRUPTED,
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
        def stand_in(source, settings, parent, meanwhile):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(Sample, "prepare", stand_in)

    return prepare


@pytest.fixture
def graph_that_ends_well(monkeypatch):
    monkeypatch.setattr(worker, "_run_graph", lambda *arguments: Finished())


def prepared(tmp_path, examples):
    return Prepared(Sample(), tmp_path, "*", examples)


@pytest.mark.parametrize(
    ("error", "finished"),
    [
        (UserError("No data."), Finished(failure=Failure(cause="No data."), usage=True)),
        (InterruptedRunError(), INTERRUPTED),
        (StoppedRunError("Too slow."), Finished(failure=Failure(cause="Too slow."))),
        (
            ZeroDivisionError("by zero"),
            Finished(failure=Failure(cause="ZeroDivisionError: by zero")),
        ),
    ],
    ids=["usage", "interrupt", "time_limit", "defect"],
)
def test_whatever_goes_wrong_outside_the_nodes_becomes_a_failure(
    request_, prepare, error, finished
):
    prepare(error)
    assert worker._run(request_, lambda event: None, Interrupts()) == finished


@pytest.mark.parametrize("kind", [StoreError, EvaluationError])
def test_what_is_damaged_is_for_the_user_to_mend(request_, prepare, kind):
    prepare(kind("The manifest is damaged."))
    finished = worker._run(request_, lambda event: None, Interrupts())
    assert finished == Finished(failure=Failure(cause="The manifest is damaged."), usage=True)


def test_a_defect_leaves_its_traceback_in_the_log(request_, prepare, caplog):
    prepare(ZeroDivisionError("by zero"))
    worker._run(request_, lambda event: None, Interrupts())
    assert "Traceback" in caplog.text
    assert "by zero" in caplog.text


@pytest.mark.usefixtures("graph_that_ends_well")
def test_steps_and_the_size_of_each_split_are_told_before_the_graph_runs(
    request_, prepare, tmp_path
):
    prepare(prepared(tmp_path, COUNTS))
    events = []
    assert worker._run(request_, events.append, Interrupts()) == Finished()
    assert events == [
        StepEvent(text="preparing the data"),
        DataEvent(examples={"train": 5, "test": 1}),
        StepEvent(text="loading TFX"),
    ]


@pytest.mark.usefixtures("graph_that_ends_well")
def test_libraries_are_loaded_while_records_are_written(request_, monkeypatch, tmp_path):
    done = []

    def stand_in(source, settings, parent, meanwhile):
        meanwhile()
        done.append("written")
        return prepared(tmp_path, COUNTS)

    monkeypatch.setattr(Sample, "prepare", stand_in)
    monkeypatch.setattr(worker, "load_libraries", lambda: done.append("loaded"))
    worker._run(request_, lambda event: None, Interrupts())
    assert done[:2] == ["loaded", "written"]


def test_the_sample_is_prepared_below_a_root_of_its_own(request_, monkeypatch, tmp_path):
    asked = []

    def stand_in(source, settings, parent, meanwhile):
        asked.append((settings, source, parent))
        raise UserError("Enough.")

    monkeypatch.setattr(Sample, "prepare", stand_in)
    worker._run(request_, lambda event: None, Interrupts())
    place = tmp_path / "sample" / "records"
    assert asked == [(request_.config.dataset, request_.source, place)]


@pytest.mark.usefixtures("graph_that_ends_well")
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
    # It would outlive the test.
    monkeypatch.setattr(worker, "_listen", lambda interrupts: None)
    worker.main()
    with requests, ours, os.fdopen(read) as lines:
        events = [parse_event(line) for line in lines]
    assert [event.kind for event in events] == ["step", "data", "step", "finished"]


def test_worker_goes_on_where_nobody_is_told(request_, prepare, monkeypatch, tmp_path):
    prepare(prepared(tmp_path, COUNTS))
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(sys, "argv", ["worker", str(write)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(request_.model_dump_json()))
    monkeypatch.setattr(worker, "_listen", lambda interrupts: None)
    ran = []
    monkeypatch.setattr(
        worker, "_run_graph", lambda *arguments, **options: ran.append(1) or Finished()
    )
    worker.main()
    assert ran


# A library's thread that nobody ends, and which Python would wait for.
LEAVE = """
import threading, time
from pipeline.engine import worker

def main():
    threading.Thread(target=time.sleep, args=(60,)).start()
    print("last words", end="")
    ENDING

worker.main = main
worker._end()
"""


@pytest.mark.parametrize(("ending", "code"), [("return", 0), ("1 / 0", 1)])
def test_worker_leaves_without_waiting_for_threads(ending, code):
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", LEAVE.replace("ENDING", ending)],
        cwd=config.PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert time.monotonic() - started < 20
    assert (ended.returncode, ended.stdout) == (code, "last words")
    assert ("ZeroDivisionError" in ended.stderr) == bool(code)


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
