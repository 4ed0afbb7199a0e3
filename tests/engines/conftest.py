"""Real engines in a network of their own: Prism where Go can build it, else Beam's job server."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import require
from tests.engines import programs
from tests.engines.network import Network, own_network
from tests.engines.processes import (
    CHECKOUT,
    Server,
    make_bare_python,
    run_pool,
    run_prism,
    run_python_job_server,
)

TIME_LIMIT_S = 600
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


@dataclass(frozen=True)
class Commands:
    """This project's commands, in the engines' network."""

    network: Network
    data_dir: Path

    def run(self, root: Path, *arguments: str) -> Ended:
        """Runs the smallest pipeline."""
        return self._call(self._run_command(root, *arguments))

    def check(self, root: Path, *arguments: str) -> Ended:
        """Tries an engine."""
        return self._call(self._check_command(root, *arguments))

    @contextmanager
    def running(self, root: Path, *arguments: str) -> Iterator["Running"]:
        """Begins to run the smallest pipeline; yields what goes on."""
        with self._begin(self._run_command(root, *arguments)) as running:
            yield running

    @contextmanager
    def checking(self, root: Path, *arguments: str) -> Iterator["Running"]:
        """Begins to try an engine; yields what goes on."""
        with self._begin(self._check_command(root, *arguments)) as running:
            yield running

    @contextmanager
    def _begin(self, command: list[str]) -> Iterator["Running"]:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What is handed down where the tests run in the background would ignore it.
            preexec_fn=_take_interrupts,  # noqa: PLW1509
        )
        try:
            yield Running(process)
        finally:
            process.kill()
            process.communicate()

    def _run_command(self, root: Path, *arguments: str) -> list[str]:
        settings = ("training.epochs=1", "evaluation.min_accuracy=0.0")
        assignments = [word for setting in settings for word in ("--set", setting)]
        places = ("--root", str(root), "--data-dir", str(self.data_dir))
        flags = ("--config", "smoke", *places, *assignments)
        return self._command("pipeline.local_runner", *flags, *arguments)

    def _check_command(self, root: Path, *arguments: str) -> list[str]:
        return self._command("pipeline.engine", "check", "--root", str(root), *arguments)

    def _command(self, *words: str) -> list[str]:
        return self.network.command(sys.executable, "-m", *words, "--json")

    def _call(self, command: list[str]) -> Ended:
        ended = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        assert ended.stdout, ended.stderr
        return Ended(ended.returncode, ended.stderr, json.loads(ended.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class Running:
    """A command that goes on."""

    process: subprocess.Popen

    def end(self) -> Ended:
        """Waits for its end."""
        out, screen = self.process.communicate(timeout=TIME_LIMIT_S)
        return Ended(self.process.returncode, screen, json.loads(out.splitlines()[-1]))


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with own_network() as found:
        yield found


@pytest.fixture(scope="session")
def commands(network, fashion_mnist) -> Commands:
    return Commands(network, fashion_mnist.directory)


@dataclass(frozen=True)
class Engines:
    """What starts the processes of engines.

    Attributes:
        programs: the directory of Prism and of the entry point; None where they can't be had.
        obstacle: why they can't.
    """

    network: Network
    programs: Path | None
    bare_python: Path
    obstacle: str = ""

    @property
    def name(self) -> str:
        """As `--engine` calls it."""
        return "prism" if self.programs else "portable"

    def server(self, directory: Path):
        """Runs a job server."""
        if self.programs:
            return run_prism(self.network, self.programs / "prism", directory)
        return run_python_job_server(self.network, directory)

    def pool(self, directory: Path):
        """Runs a pool whose workers install what a job brings along, and have no project else.

        Where the entry point can't be had that does so, they have it.
        """
        if self.programs:
            boot = self.programs / "boot"
            return run_pool(self.network, self.bare_python, directory, boot=boot)
        return self.quick_pool(directory)

    def quick_pool(self, directory: Path, *, hidden: Path | None = None):
        """Runs a pool whose workers have the project, and install nothing."""
        if hidden and self.network.holder is None:
            require("mounts of its own", "`unshare` is not there or not allowed; be root for it")
        return run_pool(self.network, Path(sys.executable), directory, boot=None, hidden=hidden)

    def poor_pool(self, directory: Path):
        """Runs a pool whose workers have no project, and install nothing."""
        return run_pool(self.network, self.bare_python, directory, boot=None)

    def flags(self, server: Server, pool: Server | None = None) -> list[str]:
        """How a command is told of them."""
        settings = [f"engine.address={server.address}"]
        if pool:
            settings += ["engine.environment=pool", f"engine.pool_address={pool.address}"]
        return ["--engine", self.name, *(word for one in settings for word in ("--set", one))]


@pytest.fixture(scope="session")
def engines(network, tmp_path_factory) -> Engines:
    bare = make_bare_python(tmp_path_factory.mktemp("bare"))
    try:
        return Engines(network, programs.provide(version("apache-beam")), bare)
    except (programs.NoProgramsError, subprocess.TimeoutExpired) as error:
        # Beam's own takes its place.
        return Engines(network, None, bare, str(error))
