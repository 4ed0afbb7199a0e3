"""What is done with the events of a worker, and what is left of it."""

import time
from pathlib import Path

import pytest

from pipeline.engine.protocol import StepEvent


def ignore(event):
    pass


def interrupt(event):
    raise KeyboardInterrupt


def interrupt_at_step(event):
    if isinstance(event, StepEvent):
        raise KeyboardInterrupt


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with Path(f"/proc/{pid}/stat").open() as stat:
                # Where nobody collects orphans, one that was killed stays as a zombie.
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still running")
