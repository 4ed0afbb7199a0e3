"""A command as a process of its own, with what it took."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SAMPLED_S = 0.5
_PATIENCE_S = 20.0
"""In which a command may end its own processes, before it is killed."""

_PARENT = 1
"""In /proc/PID/stat behind the name."""

_CPU = slice(11, 15)
"""There, user and system time, its own and that of its children that have ended."""


class FailedError(Exception):
    """A command ended with an exit code that was not expected; the message has its last lines."""


@dataclass(frozen=True)
class Usage:
    """What a process took, with all that it started.

    Attributes:
        wall_s: seconds from its start to its end.
        cpu_s: seconds of computing, on all cores, in user and in system mode.
        peak_mb: most memory at once, in megabytes (1e6 bytes), over all processes: looked at every
            half a second, and at least that of the largest process, which is exact. What processes
            share, as those that are forked do, counts once.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], expected: Sequence[int] = (0,)) -> tuple[str, Usage]:
    """Runs a command; an interrupt ends it with all that it started.

    Args:
        command: program and arguments.
        expected: exit codes of success.

    Returns:
        What it wrote to standard output, and what it took.

    Raises:
        FailedError: it ended with another code.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        start = time.perf_counter()
        # In a session of its own: an interrupt from the keyboard comes by way of this process.
        with (
            subprocess.Popen(command, stdout=output, stderr=log, start_new_session=True) as process,
            _ending(process),
            sampling(process.pid) as sizes,
        ):
            # As `wait`, but it tells what the process and those below it have used.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        said = [_read(file) for file in (output, log)]
    if process.returncode not in expected:
        lines = "\n".join("".join(reversed(said)).splitlines()[-20:])
        raise FailedError(f"{' '.join(command)} ended with {process.returncode}:\n{lines}")
    peak = max(used.ru_maxrss * 1024, *sizes)
    return said[0], Usage(wall, used.ru_utime + used.ru_stime, peak / 1e6)


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@contextmanager
def _ending(process: subprocess.Popen) -> Iterator[None]:
    """Ends the process and its group if the block is left before it has ended."""
    try:
        yield
    except BaseException:
        for number, patience_s in ((signal.SIGTERM, _PATIENCE_S), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
        raise


def read_cpu(pid: int) -> float:
    """Seconds of computing of a process so far, with those of its children that have ended."""
    return sum(map(int, _read_stat(pid)[_CPU])) / os.sysconf("SC_CLK_TCK")


def _read_stat(pid: int) -> list[str]:
    # The name before, in brackets, may have anything in it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


@contextmanager
def sampling(root: int) -> Iterator[list[float]]:
    """Collects, in bytes, what a process and those below it hold in memory at a time."""
    found: list[float] = [0.0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLED_S):
            found.append(_resident(root))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def _resident(root: int) -> float:
    """The memory of a process and all below it, in bytes; what they share counts once."""
    children: dict[int, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        # It may have ended since.
        with suppress(OSError):
            pid = int(directory.name)
            children.setdefault(int(_read_stat(pid)[_PARENT]), []).append(pid)
    waiting, total = [root], 0.0
    while waiting:
        pid = waiting.pop()
        total += _read_share(pid)
        waiting += children.get(pid, [])
    return total


def _read_share(pid: int) -> float:
    """Its memory, of what it shares only its part: the proportional set size of proc(5)."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0.0
