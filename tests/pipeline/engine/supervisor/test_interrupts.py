"""An interrupt of the command ends its worker, which may clean up and tell what it came to."""

import os
import signal
import time

import pytest

from pipeline.engine import supervisor
from pipeline.engine.protocol import INTERRUPTED, Finished, NodeEvent
from pipeline.engine.supervisor import run_worker
from tests.pipeline.engine.supervisor.handling import assert_gone, interrupt, interrupt_at_step


def test_ctrl_c_in_the_terminal_does_not_reach_the_worker_itself(worker, request_, surroundings):
    worker("""
        emit("step", text=str(os.getpgrp()))
        emit("finished")
    """)
    events = []
    run_worker(request_, surroundings, events.append)
    assert int(events[0].text) != os.getpgrp()


def test_an_exception_in_the_handler_ends_the_worker_and_its_children(
    worker, request_, surroundings, processes
):
    children = []

    def handle(event):
        children.append(int(event.text))
        raise ZeroDivisionError

    worker("""
        child = subprocess.Popen(["sleep", "20"])
        emit("step", text=str(child.pid))
        time.sleep(20)
    """)
    with pytest.raises(ZeroDivisionError):
        run_worker(request_, surroundings, handle)
    assert processes[0].returncode == -signal.SIGTERM
    assert_gone(children[0])


def test_an_interrupted_worker_may_clean_up(worker, request_, surroundings, log, processes):
    worker("""
        def clean_up(number, frame):
            time.sleep(0.2)
            print("cleaned up")
            sys.exit(5)

        signal.signal(signal.SIGTERM, clean_up)
        child = subprocess.Popen(["sleep", "20"])
        emit("step", text=str(child.pid))
        time.sleep(20)
    """)
    children = []

    def interrupt(event):
        children.append(int(event.text))
        raise KeyboardInterrupt

    assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
    assert processes[0].returncode == 5
    assert log.read_text() == "cleaned up\n"
    assert_gone(children[0])


def test_an_interrupted_worker_tells_what_it_came_to(worker, request_, surroundings):
    worker("""
        def clean_up(number, frame):
            emit("node", node="Trainer", state="interrupted")
            emit("finished", pushed={"path": "/s/7", "version": "7"}, interrupted=True)
            sys.exit()

        signal.signal(signal.SIGTERM, clean_up)
        emit("step", text="ready")
        time.sleep(20)
    """)
    events = []

    def interrupt_once(event):
        events.append(event)
        if len(events) == 1:
            raise KeyboardInterrupt

    finished = run_worker(request_, surroundings, interrupt_once)
    assert finished.pushed.version == "7"
    assert finished.interrupted
    assert events[1:] == [NodeEvent(node="Trainer", state="interrupted"), finished]


def test_an_interrupt_loses_none_of_what_was_said_together(worker, request_, surroundings):
    worker("""
        both = [{"kind": "step", "text": "last"}, {"kind": "finished", "unfit_version": 3}]
        os.write(events, "".join(json.dumps(one) + "\\n" for one in both).encode())
    """)
    assert run_worker(request_, surroundings, interrupt_at_step).unfit_version == 3


def test_an_interrupt_after_the_end_changes_nothing(worker, request_, surroundings):
    worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        emit("finished", unfit_version=3)
    """)
    assert run_worker(request_, surroundings, interrupt) == Finished(unfit_version=3)


def test_a_worker_that_does_not_end_is_killed_after_the_grace_time(
    worker, request_, surroundings, processes, monkeypatch
):
    monkeypatch.setattr(supervisor, "_GRACE_S", 0.5)
    worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        emit("step", text="ready")
        time.sleep(20)
    """)
    started = time.monotonic()
    assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
    assert processes[0].returncode == -signal.SIGKILL
    assert 0.5 <= time.monotonic() - started < 10


def test_a_second_interrupt_does_not_wait_for_the_cleaning_up(
    worker, request_, surroundings, processes
):
    # The stand-in answers the first interrupt by sending the second.
    worker("""
        def clean_up(number, frame):
            time.sleep(0.3)
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(20)

        signal.signal(signal.SIGTERM, clean_up)
        emit("step", text="ready")
        time.sleep(20)
    """)
    # Tests that run in the background have inherited that interrupts are ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = time.monotonic()
        assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
        assert time.monotonic() - started < 10
    finally:
        signal.signal(signal.SIGINT, before)
    assert processes[0].returncode == -signal.SIGKILL
