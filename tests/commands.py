"""Commands of this project that give an object on standard output, as programs of their own."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import PROJECT_DIRECTORY as CHECKOUT

_TIME_LIMIT_S = 600
"""Of one command, which takes less than a minute where nothing else goes on."""


@dataclass(frozen=True)
class Ended:
    """How a command ended, on standard error what it showed, and on standard output its object."""

    code: int
    screen: str
    result: dict

    @property
    def states(self) -> dict[str, str]:
        """Of each node."""
        return {node: told["state"] for node, told in self.result["components"].items()}


class Running:
    """A command that goes on."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self._screen = ""

    def wait_for(self, text: str) -> None:
        """Waits until it shows a text."""
        while text not in self._screen:
            line = self.process.stderr.readline()
            assert line, f"ended without saying {text!r}: {self._screen}"
            self._screen += line

    def end(self) -> Ended:
        """Waits for its end."""
        out, rest = self.process.communicate(timeout=_TIME_LIMIT_S)
        return _read(self.process.returncode, self._screen + rest, out)


def call(command: Sequence[str], directory: Path = CHECKOUT) -> Ended:
    """Runs a command to its end.

    Args:
        command: with `--json`.
        directory: where.
    """
    ended = subprocess.run(
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_TIME_LIMIT_S,
        check=False,
    )
    return _read(ended.returncode, ended.stderr, ended.stdout)


@contextmanager
def begin(command: Sequence[str]) -> Iterator[Running]:
    """Begins to run a command, with `--json`; it ends with the block."""
    process = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # No other thread runs meanwhile.
        preexec_fn=_take_interrupts,  # noqa: PLW1509
    )
    overdue = threading.Timer(_TIME_LIMIT_S, process.kill)
    overdue.start()
    try:
        yield Running(process)
    finally:
        overdue.cancel()
        process.kill()
        process.communicate()


def _read(code: int, screen: str, out: str) -> Ended:
    assert out, screen
    return Ended(code, screen, json.loads(out.splitlines()[-1]))


def _take_interrupts() -> None:
    """Undoes what is handed down where the tests run in the background: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
