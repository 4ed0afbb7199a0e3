"""The processes of an engine: a job server, and a pool that starts workers."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import PROJECT_DIRECTORY as CHECKOUT
from tests.engines.network import Network, find_free_port

_TIME_LIMIT_S = 60
_PROJECT = "fashion_mnist_pipeline"


@dataclass(frozen=True)
class Server:
    """A process that answers on a port.

    Attributes:
        process: leads a group of its own.
        port: of its network.
        log: what it printed.
    """

    process: subprocess.Popen
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def find_worker(self) -> int:
        """Finds the process of the one worker that this pool has started."""
        # Each thread has children of its own.
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        [worker] = (child for children in threads for child in children.read_text().split())
        return int(worker)

    def kill(self) -> None:
        """Ends it at once, with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def run_prism(network: Network, program: Path, directory: Path) -> Iterator[Server]:
    """Runs Prism, without its pages."""
    port = find_free_port()
    command = network.command(program, f"--job_port={port}", "--serve_http=false")
    with _serve(network, command, port, directory) as server:
        yield server


@contextmanager
def run_python_job_server(network: Network, directory: Path) -> Iterator[Server]:
    """Runs the job server that comes with Beam, on Beam's local runner."""
    port = find_free_port()
    command = network.command(
        *(sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"),
        *(f"--port={port}", f"--staging_dir={directory / 'staging'}"),
    )
    with _serve(network, command, port, directory) as server:
        yield server


@contextmanager
def run_pool(
    network: Network,
    python: Path,
    directory: Path,
    *,
    boot: Path | None,
    hidden: Path | None = None,
) -> Iterator[Server]:
    """Runs a pool of workers.

    Args:
        network: where.
        python: what the workers run on.
        directory: what they write and log goes there.
        boot: the entry point of Beam's worker images, which installs what a job brings along; None
            has the workers go without that.
        hidden: a directory that is empty for them.
    """
    port = find_free_port()
    installing = []
    if boot:
        entry = directory / "entry"
        entry.write_text(f'#!/bin/sh\nexec {boot} --semi_persist_dir={directory} "$@"\n')
        entry.chmod(0o755)
        installing = [f"--container_executable={entry}"]
    command = network.command(
        *(python, "-m", "apache_beam.runners.worker.worker_pool_main"),
        *(f"--service_port={port}", *installing),
        hidden=hidden,
    )
    environment = {
        # Unless a job brings it along, the project is what this Python has, in this checkout.
        **({"PYTHONPATH": str(CHECKOUT)} if python == Path(sys.executable) else {}),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        # Beside this pool, and not in /opt.
        "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
        # The network has no registry: what building takes is there.
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_INDEX": "1",
    }
    with _serve(network, command, port, directory, environment) as server:
        yield server


def make_bare_python(directory: Path) -> Path:
    """Makes a Python that has all that this one has, but for this project; returns its program."""
    packages = directory / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if _PROJECT not in entry.name:
            (packages / entry.name).symlink_to(entry)
    venv.create(directory / "venv", symlinks=True)
    # Where pip takes nothing away from, as this is not of that environment itself.
    [place] = (directory / "venv" / "lib").glob("python*/site-packages")
    (place / "others.pth").write_text(f"{packages}\n")
    return directory / "venv" / "bin" / "python"


@contextmanager
def _serve(
    network: Network,
    command: list[str],
    port: int,
    directory: Path,
    environment: dict[str, str] | None = None,
) -> Iterator[Server]:
    log = directory / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **(environment or {})},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, log)
    try:
        _await(network, server)
        yield server
    finally:
        server.kill()


def _await(network: Network, server: Server) -> None:
    """Waits until somebody listens; each look is at the kernel's list, and connects to nobody."""
    deadline = time.monotonic() + _TIME_LIMIT_S
    while server.process.poll() is None and time.monotonic() < deadline:
        if _listens(network, server.port):
            return
        time.sleep(0.1)
    raise AssertionError(f"{server.process.args} does not listen: {server.log.read_text()}")


def _listens(network: Network, port: int) -> bool:
    tables = network.command("cat", "/proc/net/tcp", "/proc/net/tcp6")
    lines = subprocess.run(tables, capture_output=True, text=True, check=True).stdout.splitlines()
    # Local address and state, as proc(5) says: 0A listens.
    states = {(line.split()[1].rpartition(":")[2], line.split()[3]) for line in lines if line}
    return (f"{port:04X}", "0A") in states


def read_job_states(network: Network, server: Server) -> list[str]:
    """Asks a job server for the states of all its jobs, the oldest first."""
    asked = network.command(sys.executable, Path(__file__).with_name("jobs.py"), server.address)
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=True)
    return json.loads(ended.stdout)
