"""The command with a worker that only tells what it is told."""

import signal

import pytest

from pipeline import local_runner
from pipeline.data import sources
from pipeline.data.kinds import OfficialFiles
from tests.pipeline.local_runner.workers import Worker


@pytest.fixture(autouse=True)
def signals():
    """The command changes what these do; that ends with the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def current_directory(tmp_path, monkeypatch):
    """What a test makes by a relative path goes with it."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    worker = Worker()
    monkeypatch.setattr(local_runner, "run_worker", worker)
    return worker


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command on the sample: its exit code and what it printed."""

    def run(*argv: str):
        code = local_runner.main(["--root", str(tmp_path / "root"), "--dataset", "sample", *argv])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Has the real data found."""
    source = OfficialFiles(tmp_path / "data")
    monkeypatch.setattr(sources, "find", lambda settings, progress: source)
    return source
