"""Real engines in a network of their own: Prism where Go can build it, else Beam's job server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.commands import Ended, Running, begin, call
from tests.conftest import require
from tests.engines import programs
from tests.engines.network import Network, own_network
from tests.engines.processes import (
    Server,
    make_bare_python,
    run_pool,
    run_prism,
    run_python_job_server,
)


@dataclass(frozen=True)
class Commands:
    """This project's commands, in the engines' network."""

    network: Network
    data_dir: Path

    def run(self, root: Path, *arguments: str) -> Ended:
        """Runs the smallest pipeline."""
        return call(self._run_command(root, *arguments))

    def check(self, root: Path, *arguments: str) -> Ended:
        """Tries an engine."""
        return call(self._check_command(root, *arguments))

    def running(self, root: Path, *arguments: str) -> AbstractContextManager[Running]:
        """Begins to run the smallest pipeline; yields what goes on."""
        return begin(self._run_command(root, *arguments))

    def checking(self, root: Path, *arguments: str) -> AbstractContextManager[Running]:
        """Begins to try an engine; yields what goes on."""
        return begin(self._check_command(root, *arguments))

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
