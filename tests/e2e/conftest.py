"""Runs of the command on a small subset of the real data."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import PROJECT_DIRECTORY as CHECKOUT
from tests.commands import Ended, begin, call

PACKAGES = ("components", "pipeline", "schema", "trainer_module")


@pytest.fixture(scope="session")
def data_dir(fashion_mnist) -> Path:
    return fashion_mnist.directory


def _command(checkout: Path, root: Path, data_dir: Path, *arguments: str) -> list[str]:
    preset = checkout / "pipeline" / "presets" / "smoke.toml"
    flags = {"--root": root, "--data-dir": data_dir, "--config": preset}
    named = [str(part) for flag in flags.items() for part in flag]
    return [sys.executable, "-m", "pipeline.local_runner", "--json", *named, *arguments]


@pytest.fixture(scope="session")
def run(data_dir):
    """Runs the command to its end: `run(root, *arguments, checkout=...)`."""

    def run(root: Path, *arguments: str, checkout: Path = CHECKOUT) -> Ended:
        return call(_command(checkout, root, data_dir, *arguments), checkout)

    return run


def _kill_worker(process: subprocess.Popen) -> None:
    """As the kernel does for want of memory."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    for child in children.split():
        os.kill(int(child), signal.SIGKILL)


@pytest.fixture(scope="session")
def run_and_break(data_dir):
    """Runs the command; when its screen says a text, interrupts it or kills its worker."""

    def run_and_break(root: Path, text: str, *arguments: str, kill: bool = False) -> Ended:
        with begin(_command(CHECKOUT, root, data_dir, *arguments)) as running:
            running.wait_for(text)
            if kill:
                _kill_worker(running.process)
            else:
                running.process.send_signal(signal.SIGINT)
            return running.end()

    return run_and_break


@pytest.fixture(scope="class")
def source_copy(tmp_path_factory) -> Path:
    """A copy of the sources that a test may edit."""
    target = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, target / package)
    return target
