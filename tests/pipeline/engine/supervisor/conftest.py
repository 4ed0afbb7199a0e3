"""Programs in the worker's place."""

import subprocess
import sys
import textwrap

import pytest

from components.programs import module_program
from pipeline import config
from pipeline.data.kinds import Sample
from pipeline.engine import supervisor
from pipeline.engine.protocol import Request
from pipeline.engine.supervisor import Surroundings

# What the stand-ins for the worker have in common. Each ends by itself before long, so that a
# test whose subject broke fails instead of hanging.
PREAMBLE = """
import json, os, signal, subprocess, sys, time

events = int(sys.argv[1])
request = json.loads(sys.stdin.readline())
signal.alarm(20)

def emit(kind, **fields):
    # At once, so that a signal may come meanwhile.
    os.write(events, (json.dumps({"kind": kind, **fields}) + "\\n").encode())
"""


@pytest.fixture
def request_(tmp_path):
    return Request(
        run_id="the run",
        config=config.Config(),
        source=Sample(),
        from_node=None,
        to_node=None,
        cache=True,
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "pipeline.log"


@pytest.fixture
def surroundings(log):
    return Surroundings(log)


@pytest.fixture
def processes(monkeypatch):
    """The processes that were started; they end with the test."""
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def worker(processes, monkeypatch, tmp_path):
    """Puts a program in the worker's place."""

    def worker(program: str) -> None:
        script = tmp_path / "stand_in.py"
        script.write_text(PREAMBLE + textwrap.dedent(program))
        start = supervisor.subprocess.Popen

        def start_script(command, **options):
            assert command[:3] == module_program("pipeline.engine.worker")
            return start([sys.executable, "-S", str(script), *command[3:]], **options)

        monkeypatch.setattr(supervisor.subprocess, "Popen", start_script)

    return worker
