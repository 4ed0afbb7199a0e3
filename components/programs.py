"""Running a module of this project in a process of its own, and how a process ended."""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).resolve().parents[1]
"""Where the packages lie: the checkout, or site-packages."""

_LONGEST = 200
"""Characters of what a process said last."""

_PROGRAM = """\
import sys
sys.path[0:1] = [] if {root!r} in sys.path[1:] else [{root!r}]
import runpy
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


def module_program(module: str) -> list[str]:
    """Returns the program that runs a module, to which its arguments can be added.

    `python -m` would first look in the working directory, where a person may have a `schema.py` or
    a `random.py` of their own.

    Args:
        module: its dotted name.
    """
    return [sys.executable, "-c", _PROGRAM.format(root=str(_ROOT), module=module)]


def describe_end(code: int, errors: IO[str]) -> str:
    """Says how a process ended, and what it said last where it ended, or aborted, itself.

    Args:
        code: as of `describe_exit`.
        errors: a file that has its standard error.
    """
    if code < 0 and code != -signal.SIGABRT:
        return describe_exit(code)
    errors.seek(0)
    said = errors.read().strip().splitlines() or ["without a word"]
    return f"{describe_exit(code)}: {said[-1][:_LONGEST]}"


def describe_exit(code: int) -> str:
    """Says how a process ended, in words that follow what it is called.

    Args:
        code: its exit code; of one that a signal ended, the signal's number below zero.

    Returns:
        As `ended with exit code 3`, or `was ended by SIGKILL, perhaps for want of memory`.
    """
    if code >= 0:
        return f"ended with exit code {code}"
    name = f"signal {-code}"
    # Most real-time signals have no name.
    with suppress(ValueError):
        name = signal.Signals(-code).name
    # As the kernel does where memory is used up.
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
