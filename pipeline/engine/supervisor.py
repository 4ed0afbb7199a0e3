"""Starts the worker process, follows what it says, and ends it when told to."""

import os
import resource
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO, cast

from components.programs import module_program
from pipeline.causes import find_shortage
from pipeline.engine.protocol import (
    GRACE_S,
    INTERRUPTED,
    Event,
    Finished,
    NodeEvent,
    Request,
    StepEvent,
    parse_event,
)
from pipeline.runs.run_result import Failure
from pipeline.workspace import temporary
from trainer_module import keras_settings

_ENVIRONMENT = {
    # TensorFlow takes oneDNN unasked only where a CPU has AVX-512: with AVX2 it more than halves
    # the time of an epoch as well.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # What the two say to one another, and the log, are in UTF-8 whatever the locale is.
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}

_DECISIVE = frozenset(
    {
        "NVIDIA_TF32_OVERRIDE",
        "TF_CUDNN_DETERMINISTIC",
        "TF_DETERMINISTIC_OPS",
        "TF_ENABLE_AUTO_MIXED_PRECISION",
        "TF_ENABLE_AUTO_MIXED_PRECISION_GRAPH_REWRITE",
        "TF_XLA_FLAGS",
    }
)
"""Variables by which TensorFlow computes otherwise: the same settings would give other weights."""

_GRACE_S = GRACE_S
_TICK_S = 1.0
"""How often the time is looked at, which is also the most that counts of a longer look away."""

_LAST_WORDS = 4096
"""Bytes at the end of the log, in which a process that died may say why."""


@dataclass(frozen=True)
class Surroundings:
    """What a worker is started with.

    Attributes:
        log: gets all that the worker and its libraries print; temporary files go beside it.
        held: descriptors that it keeps open to its end, as a lock's.
        time_limit_s: how many seconds a component may take.
        echo: also gets what is printed.
    """

    log: Path
    held: Collection[int] = ()
    time_limit_s: float = float("inf")
    echo: TextIO | None = None


def run_worker(
    request: Request,
    surroundings: Surroundings,
    handle: Callable[[Event], None],
    started: Callable[[int], None] = lambda process_id: None,
) -> Finished:
    """Runs the request in a worker process, which has ended when this returns.

    Args:
        request: what to run.
        surroundings: what the worker is started with.
        handle: told of each event.
        started: told the process id of the worker.

    Returns:
        How it ended. A worker that died counts as a failure. One that is interrupted, as this
        process is by Ctrl-C, tells what it came to until then.
    """
    log = _Log(surroundings.log, surroundings.echo)
    with _worker(request, surroundings, log) as (process, pipe):
        started(process.pid)
        events = _Events(pipe, process, handle)
        try:
            stopped = _follow(process, events, surroundings.time_limit_s)
        except KeyboardInterrupt:
            stopped = INTERRUPTED
            process.terminate()
        if stopped:
            # It cleans up, and tells what it came to. A second interrupt asks not to wait.
            with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
                _let_end(process, events)
            _kill(process)
    finished = events.finished or stopped or Finished(failure=_describe_death(process, log))
    return finished.model_copy(update={"notes": [*finished.notes, *log.notes]})


def _follow(process: subprocess.Popen, events: "_Events", time_limit_s: float) -> Finished | None:
    """Follows a worker to its end.

    Returns:
        What to say of one that was told to end, if it does not do so itself.
    """
    while events.follow():
        for task in events.overdue(time_limit_s):
            cause = (
                f"{task.name} took longer than run.component_timeout_min = "
                f"{time_limit_s / 60:g} allows, and was ended: see in the log where it was"
            )
            process.send_signal(signal.SIGUSR1)
            _tell(process, cause)
            return Finished(failure=Failure(cause=cause, node=task.node))
    # It has closed the pipe, and leaves.
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    return None


def _let_end(process: subprocess.Popen, events: "_Events") -> None:
    deadline = time.monotonic() + _GRACE_S
    while events.follow() and time.monotonic() < deadline:
        pass
    process.wait(max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True)
class _Task:
    """What a worker is at, and which node that is, if it is one."""

    name: str
    node: str | None = None


class _Events:
    """What a worker says, and for how long it has been at what it does."""

    def __init__(
        self, pipe: int, process: subprocess.Popen, handle: Callable[[Event], None]
    ) -> None:
        """Reads lines from the pipe of a process, and hands each to the handler."""
        self._pipe = pipe
        self._process = process
        self._handle = handle
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self.finished: Finished | None = None
        self._busy_s = {_Task("starting"): 0.0}

    def overdue(self, time_limit_s: float) -> list[_Task]:
        """What takes longer than it may."""
        return [task for task, busy_s in self._busy_s.items() if busy_s > time_limit_s]

    def follow(self) -> bool:
        """Handles what is said within a tick; returns whether there may be more."""
        began = time.monotonic()
        ready, _, _ = select.select([self._pipe], [], [], _TICK_S)
        # Not the time in which this process was stopped, and maybe the worker with it.
        passed = min(time.monotonic() - began, _TICK_S)
        self._busy_s = {task: busy_s + passed for task, busy_s in self._busy_s.items()}
        if not ready:
            # A process that it started may hold the pipe for longer.
            return self._process.poll() is None
        said = os.read(self._pipe, 1 << 16)
        *lines, self._rest = (self._rest + said).split(b"\n")
        self._lines.extend(lines)
        # What an interrupt breaks off here is there to be taken later.
        while self._lines:
            self._take(parse_event(self._lines.popleft().decode()))
        return bool(said)

    def _take(self, event: Event) -> None:
        match event:
            case Finished():
                self.finished = event
            case StepEvent():
                self._busy_s = {_Task(event.text): 0.0}
            case NodeEvent():
                others = {
                    task: busy_s
                    for task, busy_s in self._busy_s.items()
                    if task.node not in (None, event.node)
                }
                if event.state == "running":
                    others[_Task(event.node, event.node)] = 0.0
                self._busy_s = others or {_Task("what follows the components"): 0.0}
        self._handle(event)


@contextmanager
def _worker(
    request: Request, surroundings: Surroundings, log: "_Log"
) -> Iterator[tuple[subprocess.Popen, int]]:
    """Yields the running worker and the pipe of its events; it does not outlive the block."""
    # What libraries leave there, such as TensorFlow's generated code, goes with the run.
    scratch = temporary(surroundings.log.parent)
    scratch.mkdir(exist_ok=True)
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0):
        try:
            process = _start(surroundings, write)
        finally:
            os.close(write)
        stdin, stdout = _pipes(process)
        pump = threading.Thread(target=log.keep, args=(stdout,))
        try:
            pump.start()
            # The pipe stays open: by its end the worker learns that the command is gone.
            _tell(process, request.model_dump_json())
            yield process, read
        finally:
            _end(process)
            if pump.ident is not None:
                pump.join()
            for pipe in (stdin, stdout):
                with suppress(BrokenPipeError):
                    pipe.close()
            shutil.rmtree(scratch, ignore_errors=True)


def _make_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a machine or a shell has set must not decide on what is trained."""
    kept = {name: value for name, value in environment.items() if name not in _DECISIVE}
    return {**keras_settings.isolate(kept), **_ENVIRONMENT}


def _start(surroundings: Surroundings, events: int) -> subprocess.Popen:
    return subprocess.Popen(
        [*module_program("pipeline.engine.worker"), str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[events, *surroundings.held],
        env={**_make_environment(os.environ), "TMPDIR": str(temporary(surroundings.log.parent))},
        # Ctrl-C reaches the command alone, which then ends the worker in order.
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    )


def _pipes(process: subprocess.Popen) -> tuple[IO[str], IO[str]]:
    """Standard input and output, which are pipes, as asked for above."""
    return cast(IO[str], process.stdin), cast(IO[str], process.stdout)


def _tell(process: subprocess.Popen, line: str) -> None:
    # A worker that died at once can't read it; what it left on the pipes tells why.
    stdin, _ = _pipes(process)
    with suppress(BrokenPipeError):
        stdin.write(line + "\n")
        stdin.flush()


class _Log:
    """Keeps what a worker prints, as far as it can be written: the worker must not wait for it."""

    def __init__(self, path: Path, echo: TextIO | None) -> None:
        """Takes the file, which is made anew, and what else gets the lines."""
        self._path = path
        self._echo = echo
        self._lost = ""

    @property
    def notes(self) -> list[str]:
        """A sentence, if it lacks something."""
        return [f"the log lacks what could not be written: {self._lost}"] if self._lost else []

    def keep(self, output: IO[str]) -> None:
        """Takes all lines, to their end."""
        file = None
        with self._noting_loss():
            # Without a buffer, which what can't be written would stay in.
            file = self._path.open("wb", buffering=0)
        for line in output:
            if file:
                with self._noting_loss():
                    file.write(line.encode())
            if self._echo:
                # The reader may be gone.
                with suppress(OSError, ValueError):
                    self._echo.write(line)
                    self._echo.flush()
        if file:
            file.close()

    @contextmanager
    def _noting_loss(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._lost = error.strerror or str(error)

    def read_end(self) -> str:
        """The last words that were kept."""
        with suppress(OSError), self._path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_WORDS))
            return file.read().decode(errors="replace")
        return ""

    @property
    def directory(self) -> Path:
        """Where it is kept."""
        return self._path.parent


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        # A second interrupt asks not to wait.
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_GRACE_S)
    _kill(process)


def _kill(process: subprocess.Popen) -> None:
    # What the worker may have started goes with it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _describe_death(process: subprocess.Popen, log: _Log) -> Failure:
    code = process.returncode
    shortage = find_shortage(log.read_end(), [log.directory])
    if shortage:
        return Failure(cause=f"the worker process ended before the run did: {shortage}")
    if code >= 0:
        return Failure(cause=f"the worker process ended with exit code {code} before the run did")
    name = signal.Signals(-code).name
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    # Libraries that get no memory end the process in ways of their own.
    if name != "SIGTERM" and limit != resource.RLIM_INFINITY:
        hint = f", perhaps for want of memory: it may have {limit / 1e6:,.0f} MB (`ulimit -v`)"
    return Failure(cause=f"the worker process was ended by {name}{hint}")
