"""Calls of the commands, watched while they run, and what they leave in a root."""

import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pydantic

from components.evaluation.figures import Figures
from pipeline import workspace
from pipeline.runs.run_result import RunResult

RUN = "pipeline.local_runner"
_POLL_S = 0.05
_RELATIVE, _ABSOLUTE = 1e-6, 1e-7
"""How far figures may be apart: losses of the same model were seen to differ by about 1e-9."""
_RUNNING = 2
"""As ML Metadata numbers it."""


@dataclass(frozen=True)
class Ended:
    """How a call of a command ended.

    Attributes:
        code: its exit code, negative for a signal; None of one that had to be killed, as it
            took too long.
        out: what it printed.
        screen: what it said meanwhile.
    """

    code: int | None
    out: str
    screen: str

    @property
    def result(self) -> RunResult | None:
        """What `--json` printed, if it is that of a run."""
        with suppress(pydantic.ValidationError, IndexError):
            return RunResult.model_validate_json(self.out.splitlines()[-1])
        return None

    @property
    def figures(self) -> Mapping[str, object] | None:
        """The figures on the test split, as JSON has them; None where there are none."""
        result = self.result
        if result is None or result.evaluation is None:
            return None
        return result.evaluation.model_dump(mode="json", include={*Figures.model_fields})

    @property
    def sentence(self) -> str:
        """What it came to, in few words."""
        if self.code is None:
            return "it hung"
        result = self.result
        if result is None:
            return f"it ended by {signal.Signals(-self.code).name if self.code < 0 else self.code}"
        return result.failure.cause if result.failure else result.verdict.state


def is_alike(one: object, other: object) -> bool:
    """Whether figures are the same, but for what a sum in another order makes of them."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(is_alike(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(is_alike, one, other))
        case float(), float():
            return math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return one == other


class Running:
    """A command that runs: what it says, whom it has started, and its end."""

    def __init__(self, command: Sequence[str], directory: Path, number: int) -> None:
        """Starts it, with files in the directory for what it prints."""
        self._out = directory / f"{number}.out"
        self._err = directory / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # No other thread runs meanwhile.
                preexec_fn=_take_interrupts,  # noqa: PLW1509
            )

    def wait_for(self, text: str, limit_s: float) -> bool:
        """Waits until it has said a text; returns whether it did."""
        deadline = time.monotonic() + limit_s
        while text not in self.screen:
            if self.process.poll() is not None or time.monotonic() > deadline:
                return text in self.screen
            time.sleep(_POLL_S)
        return True

    @property
    def screen(self) -> str:
        """What it has said so far."""
        return self._err.read_text(errors="replace")

    def workers(self) -> list[int]:
        """The processes that it started."""
        with suppress(OSError):
            pid = self.process.pid
            return [
                int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            ]
        return []

    def limit(self, what: int, amount: int) -> None:
        """Limits what it, and whom it starts from here on, may use."""
        resource.prlimit(self.process.pid, what, (amount, amount))

    def end(self, limit_s: float) -> Ended:
        """Waits for its end; it is killed after the seconds."""
        code: int | None = None
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            send(signal.SIGKILL, [self.process.pid, *self.workers()])
            self.process.wait()
        return Ended(code, self._out.read_text(errors="replace"), self.screen)


def send(number: int, processes: Sequence[int]) -> None:
    """Sends a signal to those of the processes that are still there."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _take_interrupts() -> None:
    """Undoes what is handed down in the background of a script: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def python(*arguments: str) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", *arguments]


def find_left(root: Path) -> list[str]:
    """Says what runs have left in a root that should be gone once the next has ended well."""
    return [
        *_executions(workspace.metadata(root)),
        *_count("temporary file", sum(1 for _ in _temporary(root))),
        *_count("half version", sum(1 for _ in root.glob("serving/*/.incoming/*"))),
        *_count("process", len(find_processes(root))),
    ]


def _count(what: str, number: int) -> list[str]:
    return [f"{number} × {what}"] if number else []


def _executions(metadata: Path) -> list[str]:
    if not metadata.exists():
        return []
    try:
        with closing(sqlite3.connect(metadata)) as database:
            [number] = database.execute(
                "SELECT count(*) FROM Execution WHERE last_known_state = ?", [_RUNNING]
            ).fetchone()
    except sqlite3.Error as error:
        return [f"{metadata.name} that can't be read ({error})"]
    return _count("RUNNING execution", number)


def _temporary(root: Path) -> Iterator[Path]:
    for run in workspace.runs(root).glob("*"):
        if (scratch := workspace.temporary(run)).exists():
            yield scratch
    yield from root.glob(".*.new")
    yield from workspace.runs(root).glob("*/.*.new")
    yield from root.glob("artifacts/*/.system/*/*/*")


def find_processes(root: Path) -> list[int]:
    """Processes of runs in a root, as their arguments and their environment tell."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # One that has just ended, or another user's.
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
            if f"{root}/".encode() in told or f"{root}\0".encode() in told:
                found.append(int(process.name))
    return found
