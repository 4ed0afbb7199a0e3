"""Runs of the command on a small subset of the real data."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("components", "pipeline", "schema", "trainer_module")
TIME_LIMIT_S = 600
"""Of one run, which takes half a minute where nothing else goes on."""


@dataclass(frozen=True)
class Run:
    """How one call of the command ended."""

    code: int
    screen: str
    result: dict

    def state(self, node: str) -> str:
        return self.result["components"][node]["state"]


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

    def run(root: Path, *arguments: str, checkout: Path = CHECKOUT) -> Run:
        ended = subprocess.run(
            _command(checkout, root, data_dir, *arguments),
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        assert ended.stdout, ended.stderr
        return Run(ended.returncode, ended.stderr, json.loads(ended.stdout.splitlines()[-1]))

    return run


def _take_interrupts() -> None:
    """Undoes what is handed down where the tests run in the background: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _kill_worker(process: subprocess.Popen) -> None:
    """As the kernel does for want of memory."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    for child in children.split():
        os.kill(int(child), signal.SIGKILL)


@pytest.fixture(scope="session")
def run_and_break(data_dir):
    """Runs the command; when its screen says a text, interrupts it or kills its worker."""

    def run_and_break(root: Path, text: str, *arguments: str, kill: bool = False) -> Run:
        process = subprocess.Popen(
            _command(CHECKOUT, root, data_dir, *arguments),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # No other thread runs meanwhile.
            preexec_fn=_take_interrupts,  # noqa: PLW1509
        )
        overdue = threading.Timer(TIME_LIMIT_S, process.kill)
        overdue.start()
        try:
            screen = ""
            while text not in screen:
                line = process.stderr.readline()
                assert line, f"ended without saying {text!r}: {screen}"
                screen += line
            if kill:
                _kill_worker(process)
            else:
                process.send_signal(signal.SIGINT)
            out, rest = process.communicate(timeout=TIME_LIMIT_S)
        finally:
            overdue.cancel()
            process.kill()
        return Run(process.returncode, screen + rest, json.loads(out.splitlines()[-1]))

    return run_and_break


@pytest.fixture(scope="class")
def source_copy(tmp_path_factory) -> Path:
    """A copy of the sources that a test may edit."""
    target = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, target / package)
    return target
