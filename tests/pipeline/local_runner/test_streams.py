import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import PROJECT_DIRECTORY
from pipeline.data import sources
from pipeline.engine.protocol import INTERRUPTED, Finished, NodeEvent
from pipeline.nodes import NODES, OF_SPANS
from pipeline.runs.run_result import Failure
from tests.pipeline.local_runner.workers import the_object

# The command, with a worker that ends well at once, and says which descriptors it was given.
DAEMON = """
import json, os, subprocess, sys
from pipeline import local_runner
from pipeline.engine import supervisor
from pipeline.screen import command_line

WORKER = '''
import json, os, sys
sys.stdin.readline()
events = int(sys.argv[1])
assert events > 2, events
os.write(1, b"a line for the log")
os.write(events, (json.dumps({"kind": "finished"}) + chr(10)).encode())
'''
popen = subprocess.Popen

def start(command, **options):
    return popen([sys.executable, "-S", "-c", WORKER, *command[3:]], **options)

supervisor.subprocess.Popen = start
# Git is started in the same way.
local_runner.find_code_version = lambda: None
command_line.exit_with(local_runner.main)
"""


@pytest.mark.parametrize(
    "closed", ["", "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]
)
def test_command_runs_with_any_of_its_descriptors_closed(tmp_path, closed):
    argv = ["--root", str(tmp_path), "--dataset", "sample", "--verbose"]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", DAEMON, *argv],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    [result] = (tmp_path / "sample" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["exit_code"] == 0
    assert result.with_name("pipeline.log").read_text() == "a line for the log"
    assert bool(ended.stdout) == (" >&-" not in f" {closed}")


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_run_goes_on_though_nobody_reads_its_output(tmp_path, stream, flags):
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, "--root", str(tmp_path), "--dataset", "sample", *flags],
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    getattr(process, stream).close()
    other = process.stderr if stream == "stdout" else process.stdout
    printed = other.read()
    assert process.wait(60) == 0, printed
    assert "Traceback" not in printed
    [result] = (tmp_path / "sample" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["exit_code"] == 0
    if flags and stream == "stderr":
        assert json.loads(printed) == json.loads(result.read_text())


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_output_on_a_full_disk_is_a_sentence_after_the_run_was_kept(tmp_path, flags):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", DAEMON, "--root", str(tmp_path), "--dataset", "sample", *flags],
            cwd=PROJECT_DIRECTORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    sentence = "error: The output can't be written: No space left on device."
    assert ended.stderr.splitlines()[-1] == sentence
    assert "Traceback" not in ended.stderr
    [result] = (tmp_path / "sample" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["exit_code"] == 0


def test_a_terminal_of_ascii_alone_shows_a_run(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", DAEMON, "--root", str(tmp_path), "--dataset", "sample"],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"SAMPLE DATA" in ended.stdout
    assert ended.stdout.isascii()


def test_an_interrupt_while_looking_for_the_data_is_not_a_traceback(run, worker, monkeypatch):
    def find(settings, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "find", find)
    code, out, err = run("--json")
    assert code == 130
    assert the_object(out)["exit_code"] == 130
    assert the_object(out)["failure"] == {"cause": "interrupted", "node": None}
    assert err.strip() == "Interrupted before anything started."
    assert not worker.requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_and_a_closed_terminal_are_interrupts(run, monkeypatch, number):
    def find(settings, progress):
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    monkeypatch.setattr(sources, "find", find)
    # What a failure would leave in force would end the tests.
    signal.signal(number, lambda number, frame: None)
    assert run()[0] == 130


@pytest.mark.usefixtures("worker")
def test_a_closed_terminal_is_ignored_if_the_command_was_started_so(run):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (INTERRUPTED, "interrupted"),
        (Finished(failure=Failure(cause="the worker process was ended by SIGKILL")), "failed"),
    ],
)
def test_the_node_that_ran_when_the_run_broke_off_is_told(run, worker, outcome, state):
    worker.events = [
        NodeEvent(node="Transform", state="running"),
        NodeEvent(node="Transform", state="done"),
        NodeEvent(node="Trainer", state="running"),
    ]
    worker.outcome = outcome
    components = the_object(run("--json")[1])["components"]
    assert list(components) == [node for node in NODES if node not in OF_SPANS]
    assert components["Transform"]["state"] == "done"
    assert components["Trainer"]["state"] == state
    assert components["Evaluator"]["state"] == "waiting"
