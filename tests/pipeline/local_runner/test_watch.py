import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from pipeline import local_runner
from pipeline.config import PROJECT_DIRECTORY
from pipeline.engine.protocol import Finished
from pipeline.runs.run_result import Failure
from tests.pipeline.local_runner.workers import BLESSED, PUSHED

SPLITS = ("train", "eval", "test")


def put(directory, span):
    for split in SPLITS:
        file = directory / f"span-{span}" / "version-1" / f"{split}-0"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a record")


@pytest.fixture
def arriving(tmp_path, worker, monkeypatch):
    """A directory with a span, where one more arrives as each run ends as it is told."""

    def arriving(*outcomes):
        directory = tmp_path / "own"
        put(directory, 1)
        left = list(outcomes)

        def run(request, log, handle, echo=None):
            worker.outcome = left.pop(0)
            put(directory, len(outcomes) - len(left) + 1)
            return worker(request, log, handle, echo)

        monkeypatch.setattr(local_runner, "run_worker", run)
        return ["--data-dir", str(directory), "--root", str(tmp_path / "root"), "--watch", "0.01"]

    return arriving


def test_a_run_begins_with_each_span_and_a_refused_one_ends_nothing(arriving, worker, capsys):
    refused = Finished(failure=Failure(cause="the images are inverted", node="Transform"))
    good = Finished(evaluation=BLESSED, pushed=PUSHED)
    assert local_runner.main(arriving(good, refused, good, KeyboardInterrupt())) == 130
    screen = re.sub(r"\d\d:\d\d:\d\d ", "", capsys.readouterr().out)
    begun = [line for line in screen.splitlines() if line.endswith("a run begins")]
    assert begun == [f"span {number} is whole: a run begins" for number in (1, 2, 3, 4)]
    assert "the images are inverted" in screen
    assert screen.count("waiting for the next span") == 3
    assert len(worker.requests) == 4


def test_data_that_cannot_be_taken_is_said_and_the_next_span_waited_for(arriving, capsys):
    unusable = Finished(failure=Failure(cause="train-0 is damaged."), usage=True)
    argv = arriving(unusable, KeyboardInterrupt())
    assert local_runner.main(argv) == 130
    assert "train-0 is damaged" in capsys.readouterr().out


def test_each_run_is_an_object_on_a_line_of_its_own(arriving, capsys):
    good = Finished(evaluation=BLESSED, pushed=PUSHED)
    local_runner.main([*arriving(good, KeyboardInterrupt()), "--json"])
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["exit_code"] for one in objects] == [0, 130]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--watch", "--from-node", "Trainer"], "leave out --from-node"),
        (["--watch"], "name their directory with --data-dir"),
    ],
)
def test_what_does_not_go_with_watching_is_refused(refusal, monkeypatch, argv, reason):
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    with refusal(reason):
        local_runner.main(argv)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_is_needed_to_wait(value, capsys):
    with pytest.raises(SystemExit, match="2"):
        local_runner.main(["--watch", value])
    assert f"--watch takes a number of seconds, and got '{value}'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_it_waits_ends_it_well(tmp_path, number):
    (tmp_path / "own").mkdir()
    command = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "pipeline.local_runner", "--watch", "60"),
            *("--data-dir", str(tmp_path / "own"), "--root", str(tmp_path / "root")),
        ],
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        # SIGINT is ignored where the tests run in the background. No other thread runs meanwhile.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    overdue = threading.Timer(120, command.kill)
    overdue.start()
    with command:
        lines = [command.stdout.readline() for _ in range(2)]
        assert "watching" in lines[0]
        assert "waiting" in lines[1]
        command.send_signal(number)
        assert "no longer watching" in command.stdout.read()
    overdue.cancel()
    assert command.returncode == 0
    assert not (tmp_path / "root").exists()
