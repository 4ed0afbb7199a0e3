import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.config import PROJECT_DIRECTORY
from pipeline.engine.interrupts import (
    InterruptedRunError,
    Interruption,
    Interrupts,
    StoppedRunError,
)

# A process of its own, as what is taken stays so, and ends it.
PREAMBLE = """
import os, signal, sys, threading, time
from pipeline.engine.interrupts import *

interrupts = Interrupts(grace_s=float(sys.argv[1]), repeat_s=0.2)
interrupts.take()

def go_on():
    # For long enough that a test whose subject broke fails.
    print("ready", flush=True)
    time.sleep(20)
"""


@pytest.fixture
def start():
    started = []

    def start(program: str, grace_s: float = 10) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(program), str(grace_s)],
            cwd=PROJECT_DIRECTORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen) -> tuple[str, str]:
    out, err = process.communicate(timeout=15)
    return out, err


def wait_until_ready(process: subprocess.Popen) -> None:
    assert process.stdout.readline() == "ready\n", process.stderr.read()


def wait_until_gone(process_id: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with suppress(OSError):
            # Where nobody collects orphans, one that was killed stays as a zombie.
            status = Path(f"/proc/{process_id}/stat").read_text()
            if status.rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return
    pytest.fail(f"process {process_id} is still running")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_breaks_off_what_may_be_broken_off(start, number):
    process = start("""
        try:
            interrupts.breakable(go_on)
        except InterruptedRunError:
            print("stopped")
    """)
    wait_until_ready(process)
    process.send_signal(number)
    assert end(process) == ("stopped\n", "")


def test_an_interrupt_that_is_swallowed_is_raised_again(start):
    process = start("""
        def deaf():
            for _ in range(3):
                try:
                    go_on()
                except BaseException as error:
                    print("swallowed", type(error).__name__)
            go_on()
        try:
            interrupts.breakable(deaf)
        except InterruptedRunError:
            print("stopped")
    """)
    wait_until_ready(process)
    process.terminate()
    out, err = end(process)
    assert out.replace("ready\n", "") == "swallowed Interruption\n" * 3 + "stopped\n", err


def test_what_takes_every_exception_for_its_own_does_not_get_this_one():
    assert not issubclass(Interruption, Exception)
    assert issubclass(InterruptedRunError, Exception)


def test_what_may_not_be_broken_off_is_not(start):
    process = start("""
        print("ready", flush=True)
        time.sleep(1)
        print("went on")
        try:
            interrupts.breakable(go_on)
        except InterruptedRunError:
            print("stopped")
    """)
    wait_until_ready(process)
    process.terminate()
    assert end(process)[0] == "went on\nstopped\n"


def test_an_interrupt_that_is_held_back_breaks_off_what_follows(start):
    process = start("""
        def work():
            with interrupts.held_back():
                print("ready", flush=True)
                time.sleep(1)
                print("begun")
            print("went on")
        try:
            interrupts.breakable(work)
        except InterruptedRunError:
            print("stopped")
    """)
    wait_until_ready(process)
    process.terminate()
    assert end(process)[0] == "begun\nstopped\n"


def test_cleaning_up_is_not_broken_into(start):
    process = start("""
        def clean_up_after():
            try:
                go_on()
            finally:
                # Less than until it is raised again.
                time.sleep(0.05)
                print("cleaned up")
        try:
            interrupts.breakable(clean_up_after)
        except InterruptedRunError:
            time.sleep(0.5)
            print("stopped")
    """)
    wait_until_ready(process)
    for _ in range(2):
        process.terminate()
    assert end(process) == ("cleaned up\nstopped\n", "")


def test_a_process_that_does_not_heed_it_is_killed_with_its_children_and_tells_where_it_was(start):
    process = start(
        """
        import subprocess
        child = subprocess.Popen(["sleep", "20"])
        print(child.pid, flush=True)
        def deaf():
            while True:
                try:
                    go_on()
                except BaseException:
                    pass
        interrupts.breakable(deaf)
        """,
        grace_s=1,
    )
    child = int(process.stdout.readline())
    wait_until_ready(process)
    process.terminate()
    _, err = end(process)
    assert process.returncode == -signal.SIGKILL
    assert "in deaf" in err
    wait_until_gone(child)


FOLLOW = """
    threading.Thread(target=interrupts.follow, args=(0,), daemon=True).start()
    try:
        interrupts.breakable(go_on)
    except (InterruptedRunError, StoppedRunError) as error:
        print(type(error).__name__, error)
"""


def test_the_end_of_the_command_is_an_interrupt(start):
    process = start(FOLLOW)
    wait_until_ready(process)
    # As the system does for a command that was killed.
    process.stdin.close()
    process.stdin = None
    assert end(process)[0] == "InterruptedRunError \n"


def test_what_the_command_says_is_the_reason(start):
    process = start(FOLLOW)
    wait_until_ready(process)
    process.stdin.write("It took too long.\n")
    process.stdin.flush()
    assert end(process)[0] == "StoppedRunError It took too long.\n"


def test_whoever_was_not_asked_goes_on_and_fails_as_usual():
    interrupts = Interrupts()
    interrupts.check()
    assert interrupts.breakable(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        interrupts.breakable(lambda: 1 // 0)


@pytest.fixture
def asked():
    interrupts = Interrupts()
    interrupts._handle(signal.SIGTERM, None)
    return interrupts


def test_whoever_was_asked_before_does_not_start(asked):
    called = []
    with pytest.raises(InterruptedRunError):
        asked.breakable(lambda: called.append(1))
    with pytest.raises(InterruptedRunError):
        asked.check()
    assert not called


def test_another_error_that_a_library_made_of_it_is_an_interrupt_too():
    interrupts = Interrupts()

    def convert():
        try:
            interrupts._handle(signal.SIGTERM, None)
        except Interruption as error:
            raise RuntimeError("UNKNOWN: in a callback") from error

    with pytest.raises(InterruptedRunError) as caught:
        interrupts.breakable(convert)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_reason_is_a_sentence_for_the_user():
    assert str(StoppedRunError("It took too long.")) == "It took too long."
