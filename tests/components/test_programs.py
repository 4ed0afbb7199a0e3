import io
import os
import signal
import subprocess
import sys

import pytest

from components import programs

SHOW = """
import sys
import random
import pipeline.nodes
import schema
print(__name__, sys.argv[1:], random.Random(0).randrange(9) < 9, schema.SCHEMA_FILE)
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A place of the packages, with a module to run."""
    place = tmp_path / "root"
    place.mkdir()
    (place / "shown.py").write_text(SHOW)
    for package in ("pipeline", "schema"):
        (place / package).symlink_to(programs._ROOT / package)
    monkeypatch.setattr(programs, "_ROOT", place)
    return place


@pytest.mark.parametrize("known", [False, True])
def test_a_module_runs_as_the_program_whatever_the_working_directory_has(root, tmp_path, known):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pipeline").mkdir(parents=True)
    for name in ("schema", "random", "runpy", "shown", "pipeline/__init__", "json", "os"):
        (elsewhere / f"{name}.py").write_text("raise RuntimeError(__file__)")
    variable = {"PYTHONPATH": str(root)} if known else {}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ended = subprocess.run(
        [*programs.module_program("shown"), "a", "b c"],
        cwd=elsewhere,
        env={**environment, **variable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("__main__ ['a', 'b c'] True ")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-signal.SIGKILL, "was ended by SIGKILL, perhaps for want of memory"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-(signal.SIGRTMIN + 1), f"was ended by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_end_of_a_process_is_put_into_words(code, words):
    assert programs.describe_exit(code) == words


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (3, "Traceback\n  at work\nValueError: no such file\n\n", "ValueError: no such file"),
        (3, "", "without a word"),
        (3, "x" * 500, "x" * 200),
        (-signal.SIGABRT, "at work\nCheck failed: 1 == 2", "Check failed: 1 == 2"),
    ],
    ids=["traceback", "silent", "long", "aborted"],
)
def test_what_a_process_said_last_follows_how_it_ended(code, said, words):
    told = programs.describe_end(code, io.StringIO(said))
    assert told == f"{programs.describe_exit(code)}: {words}"


def test_process_that_was_ended_said_nothing_of_it():
    told = programs.describe_end(-signal.SIGKILL, io.StringIO("at work"))
    assert told == programs.describe_exit(-signal.SIGKILL)


def test_it_is_run_by_this_python():
    assert programs.module_program("shown")[0] == sys.executable
