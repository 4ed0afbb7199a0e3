import signal
import subprocess
import sys

import pytest

from pipeline import interrupt
from pipeline.config import PROJECT_DIRECTORY

# Ctrl-C as the command imports what it needs.
PROGRAM = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "rich.console":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, getattr(signal, sys.argv[2]))
sys.meta_path.insert(0, Interrupt())
name, sys.argv = sys.argv[1], ["program", "--help"]
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""

COMMANDS = (
    *("pipeline", "pipeline.local_runner", "pipeline.dataset", "pipeline.inspect"),
    *("pipeline.serving", "deploy.client"),
)


def start(name, handler):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, name, handler],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_interrupt_of_a_command_that_is_being_loaded_is_a_sentence(name):
    ended = start(name, "default_int_handler")
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "Interrupted before anything started.\n"


def test_interrupt_that_is_ignored_stays_so():
    ended = start("pipeline.serving", "SIG_IGN")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: ")


@pytest.fixture
def handler():
    """What a test sets ends with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handler")
def test_interrupts_raise_again_once_the_command_takes_them():
    interrupt.leave_at_once()
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    interrupt.raise_again()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
