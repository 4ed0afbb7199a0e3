"""What the command does when something breaks around its worker."""

import errno
import fcntl
import json
import os
import signal

import pytest

from pipeline import local_runner
from pipeline.engine.protocol import Finished, NodeEvent
from tests.pipeline.local_runner.workers import BLESSED, PUSHED, the_object

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def kept(tmp_path):
    """Reads what the only run left."""

    def kept() -> dict:
        [file] = (tmp_path / "root" / "sample" / "runs").glob("*/result.json")
        return json.loads(file.read_text())

    return kept


@pytest.mark.parametrize("number", INTERRUPTS)
def test_an_interrupt_after_the_last_component_changes_nothing(run, monkeypatch, kept, number):
    for name in ("write_bare_report", "write_index"):
        monkeypatch.setattr(
            local_runner.pages, name, lambda *arguments: signal.raise_signal(number)
        )
    code, out, err = run("--json")
    assert code == 0
    assert the_object(out)["pushed"]["version"] == PUSHED.version
    assert kept() == the_object(out)
    assert "Interrupted" not in err


def test_an_interrupt_before_the_worker_has_started_leaves_a_result(run, worker, monkeypatch, kept):
    monkeypatch.setattr(
        local_runner, "print_heading", lambda *arguments: signal.raise_signal(signal.SIGINT)
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code, out, _ = run("--json")
    assert not worker.requests
    assert code == 130
    assert kept() == the_object(out)
    assert the_object(out)["verdict"]["state"] == "interrupted"


def test_an_interrupt_before_there_is_a_run_leaves_none(run, worker, monkeypatch, tmp_path):
    monkeypatch.setattr(local_runner, "find_code_version", lambda: signal.raise_signal(2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert run()[0] == 130
    assert not worker.requests
    assert not (tmp_path / "root" / "sample" / "runs").exists()


def test_signals_do_afterwards_what_they_did_before(run):
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    run()
    assert {number: signal.getsignal(number) for number in INTERRUPTS} == before


def test_what_an_interrupted_run_came_to_is_told(run, worker):
    worker.events = [
        NodeEvent(node="Pusher", state="done"),
        NodeEvent(node="Report", state="running"),
    ]
    worker.outcome = Finished(
        evaluation=BLESSED, pushed=PUSHED, failure={"cause": "interrupted"}, interrupted=True
    )
    code, out, _ = run("--json")
    result = the_object(out)
    assert (code, result["exit_code"]) == (130, 130)
    assert result["pushed"]["version"] == PUSHED.version
    assert result["components"]["Report"]["state"] == "interrupted"


def test_a_result_that_can_not_be_kept_is_printed_and_the_rest_is_kept(run, monkeypatch, tmp_path):
    def write(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(local_runner, "write_atomically", write)
    code, out, err = run("--json")
    assert code == 0
    result = the_object(out)
    assert result["pushed"]["version"] == PUSHED.version
    [note] = result["notes"]
    assert note.startswith("result.json could not be written: a disk is full: ")
    assert "Traceback" not in err
    assert (tmp_path / "root" / "sample" / "index.html").exists()


def test_a_list_of_the_runs_that_can_not_be_made_fails_no_run(run, monkeypatch, kept):
    def fail(root):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(local_runner.pages, "write_index", fail)
    code, out, _ = run("--json")
    assert code == 0
    assert the_object(out)["notes"] == [
        "the list of the runs could not be written: ZeroDivisionError: by zero"
    ]
    assert kept()["verdict"]["state"] == "good"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "no more threads or processes"),
        (RuntimeError("can't start new thread"), "no more threads or processes"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "no more files may be open at once"),
        (MemoryError(), "there is not enough memory"),
    ],
    ids=["process", "thread", "descriptor", "memory"],
)
def test_a_worker_that_can_not_be_started_is_a_sentence(run, worker, kept, error, said):
    worker.outcome = error
    code, out, err = run("--json")
    assert code == 1
    assert the_object(out)["failure"]["cause"].startswith(said)
    assert kept() == the_object(out)
    assert said in err


def test_a_defect_keeps_its_traceback(run, worker):
    worker.outcome = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        run()


def test_the_worker_is_given_the_lock_and_the_lock_names_it(run, monkeypatch, tmp_path):
    file = tmp_path / "root" / "sample" / ".lock"

    def look(request, surroundings, handle, started):
        started(1234)
        [held] = surroundings.held
        assert os.path.samestat(os.fstat(held), file.stat())
        with file.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        word = json.loads(file.read_text())
        assert (word["command"], word["worker"]) == (os.getpid(), 1234)
        return Finished()

    monkeypatch.setattr(local_runner, "run_worker", look)
    assert run()[0] == 0


def test_components_have_a_day_unless_it_is_set_otherwise(run, worker):
    run()
    run("--set", "run.component_timeout_min=0.5")
    assert [one.time_limit_s for one in worker.surroundings] == [24 * 60 * 60, 30]
