"""TensorFlow Serving on this machine, for as long as one version of a model is tried."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.model_server.client import ServerError, find_fault
from components.model_server.image import SERVER_IMAGE, find_obstacle
from components.programs import describe_exit

PROGRAM = "tensorflow_model_server"

_LOOPBACK = "127.0.0.1"
_POLL_S = 0.2
_GRACE_S = 10.0
_DOCKER_PORTS = {"grpc": 8500, "rest": 8501}


@dataclass(frozen=True)
class Addresses:
    """Where a server listens, host and port."""

    rest: str
    grpc: str


@dataclass(frozen=True)
class Server:
    """What serves models here: a program by its path, or if that is None the image in Docker."""

    program: str | None

    @property
    def name(self) -> str:
        """For people."""
        return self.program or f"{SERVER_IMAGE} in Docker"


def find_server(program: str | None = None) -> Server:
    """Finds what serves models here.

    Args:
        program: a name or a path; if None, TensorFlow Serving's on the PATH, or its image.

    Raises:
        ServerError: there is neither.
    """
    if found := shutil.which(program or PROGRAM):
        return Server(found)
    if program:
        raise ServerError(f"there is no program {program}")
    if obstacle := find_obstacle():
        raise ServerError(f"there is no {PROGRAM} on the PATH, and {obstacle}")
    return Server(None)


@contextmanager
def serve(
    server: Server, version_directory: Path, model: str, version: int, timeout_s: float
) -> Iterator[Addresses]:
    """Serves a copy of one version until the block ends.

    By the image it is reached from this machine alone. The bare program listens at all addresses
    of the machine, since it has no flag for that.

    Args:
        server: the program, or the image.
        version_directory: the SavedModel's.
        model: the name that the server knows it by.
        version: its number.
        timeout_s: how long to wait until the version is available, in seconds.

    Raises:
        ServerError: it did not start, or could not load the version.
    """
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryFile("w+") as log:
        # A copy, so that no server ever sees more than this version, nor writes beside it.
        shutil.copytree(version_directory, Path(base, model, str(version)))
        ports = {way: _free_port() for way in _DOCKER_PORTS}
        command = (
            _program(server.program, base, model, ports)
            if server.program
            else _docker(base, model, ports)
        )
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        addresses = Addresses(**{way: f"{_LOOPBACK}:{port}" for way, port in ports.items()})
        try:
            _wait(process, addresses, model, version, timeout_s, log)
            yield addresses
        finally:
            _stop(process)


def _program(program: str, base: str, model: str, ports: dict[str, int]) -> Sequence[str]:
    return [
        program,
        f"--port={ports['grpc']}",
        f"--rest_api_port={ports['rest']}",
        *_flags(model, f"{base}/{model}"),
    ]


def _docker(base: str, model: str, ports: dict[str, int]) -> Sequence[str]:
    published = [
        f"--publish={_LOOPBACK}:{port}:{_DOCKER_PORTS[way]}" for way, port in ports.items()
    ]
    return [
        *("docker", "run", "--rm", "--init", f"--volume={base}:/models:ro", *published),
        # As this user, who may be the only one that can read the copy.
        *(f"--user={os.getuid()}:{os.getgid()}", f"--entrypoint={PROGRAM}", SERVER_IMAGE),
        *(f"--port={_DOCKER_PORTS['grpc']}", f"--rest_api_port={_DOCKER_PORTS['rest']}"),
        *_flags(model, f"/models/{model}"),
    ]


def _flags(model: str, base_path: str) -> Sequence[str]:
    return [
        f"--model_name={model}",
        f"--model_base_path={base_path}",
        "--enable_model_warmup=true",
        # Else another server could share the port, and its answers.
        "--grpc_channel_arguments=grpc.so_reuseport=0",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return probe.getsockname()[1]


def _wait(
    process: subprocess.Popen,
    addresses: Addresses,
    model: str,
    version: int,
    timeout_s: float,
    log: IO[str],
) -> None:
    deadline = time.monotonic() + timeout_s
    while fault := find_fault(addresses.rest, model, version):
        if process.poll() is not None:
            raise ServerError(f"the server {describe_exit(process.returncode)}: {_last_line(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"the version was not available after {timeout_s:g} s: {fault}")
        time.sleep(_POLL_S)


def _last_line(log: IO[str]) -> str:
    log.seek(0)
    return (log.read().strip().splitlines() or ["without a word"])[-1][:300]


def _stop(process: subprocess.Popen) -> None:
    """Ends the process that was started, by its id, and waits for it."""
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
