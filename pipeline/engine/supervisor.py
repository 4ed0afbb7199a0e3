"""Starts the worker process, follows what it says, and ends it when told to."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO, cast

from components.programs import module_program
from pipeline.engine.protocol import Event, Finished, Request, parse_event
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

_GRACE_S = 20
"""How long an interrupted worker may clean up before it is killed."""


def run_worker(
    request: Request, log: Path, handle: Callable[[Event], None], echo: TextIO | None = None
) -> Finished:
    """Runs the request in a worker process.

    Args:
        request: what to run.
        log: gets all that the worker and its libraries print.
        handle: told of each event.
        echo: also gets what is printed.

    Returns:
        How it ended. A worker that died counts as a failure.

    Raises:
        KeyboardInterrupt: the command was interrupted; the worker has ended.
    """
    finished = None
    with _worker(request, log, echo) as (process, lines):
        for line in lines:
            event = parse_event(line)
            handle(event)
            if isinstance(event, Finished):
                finished = event
        code = process.wait()
    return finished or Finished(failure=Failure(cause=_describe_death(code)))


def _make_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a machine or a shell has set must not decide on what is trained."""
    kept = {name: value for name, value in environment.items() if name not in _DECISIVE}
    return {**keras_settings.isolate(kept), **_ENVIRONMENT}


@contextmanager
def _worker(
    request: Request, log: Path, echo: TextIO | None
) -> Iterator[tuple[subprocess.Popen, TextIO]]:
    """Yields the running worker and the lines of its events; it does not outlive the block."""
    scratch = temporary(log.parent)
    scratch.mkdir(exist_ok=True)
    read, write = os.pipe()
    process = subprocess.Popen(
        [*module_program("pipeline.engine.worker"), str(write)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[write],
        # What libraries leave there, such as TensorFlow's generated code, goes with the run.
        env={**_make_environment(os.environ), "TMPDIR": str(scratch)},
        # Ctrl-C reaches the command alone, which then ends the worker in order.
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    )
    os.close(write)
    # Both are pipes, as asked for above.
    stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    pump = threading.Thread(target=_pump, args=(stdout, log, echo))
    pump.start()
    try:
        with os.fdopen(read, encoding="utf-8") as lines:
            # A worker that died at once can't read it; what it left on the pipes tells why.
            with suppress(BrokenPipeError):
                stdin.write(request.model_dump_json() + "\n")
                stdin.flush()
            # The pipe stays open: by its end the worker learns that the command is gone.
            yield process, lines
    finally:
        _end(process)
        pump.join()
        with suppress(BrokenPipeError):
            stdin.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _pump(output: IO[str], log: Path, echo: TextIO | None) -> None:
    with log.open("w", encoding="utf-8") as file:
        for line in output:
            for target in filter(None, (file, echo)):
                # The disk may be full, the reader gone: the worker must not wait for them.
                with suppress(OSError, ValueError):
                    target.write(line)
                    target.flush()


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        # A second interrupt asks not to wait.
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_GRACE_S)
    # What the worker may have started goes with it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _describe_death(code: int) -> str:
    if code >= 0:
        return f"the worker process ended with exit code {code} before the run did"
    name = signal.Signals(-code).name
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{hint}"
