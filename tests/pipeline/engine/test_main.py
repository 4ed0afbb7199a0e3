import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engine import __main__ as engine
from pipeline.engine.beam.answering import describe_here
from pipeline.engine.beam.probe import Answer
from pipeline.errors import ExitCode, UserError
from tests.pipeline.job_servers import serve

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Calls the command with what a trial comes to; returns its exit code and what it printed."""
    monkeypatch.setattr(engine, "_silence_libraries", lambda: None)
    monkeypatch.setattr(engine, "check_engine", lambda engine: None)

    def check(outcome, *arguments):
        def probe(*told):
            asked.append(told)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        asked = []
        monkeypatch.setattr(engine, "probe", probe)
        code = engine.main(["check", "--root", str(tmp_path), *arguments])
        [check.asked] = asked
        return code, capsys.readouterr().out

    return check


WELL = Answer([describe_here()], 1.25)


def test_engine_that_is_well_is_told_with_its_workers(check, tmp_path):
    code, printed = check(WELL)
    assert code == ExitCode.OK
    assert describe_here().beam in printed
    assert f"local can run the Beam stages: its workers see {tmp_path}" in printed


def test_engine_that_is_not_is_told_of_in_one_sentence(check):
    assert check(UserError("The workers are away.")) == (ExitCode.FAILED, "The workers are away.\n")


def test_program_gets_one_object_either_way(check, tmp_path):
    _, printed = check(WELL, "--json")
    told = {"engine": "local", "root": str(tmp_path), "seconds": 1.25, "cause": None}
    assert json.loads(printed) == {**told, "workers": [vars(describe_here())]}
    code, printed = check(RuntimeError("line 1\nline 2"), "--json")
    assert (code, json.loads(printed)["cause"]) == (ExitCode.FAILED, "RuntimeError: line 1")


def test_engine_is_chosen_as_for_a_run(check, tmp_path):
    check(WELL, "--engine", "prism", "--set", "engine.address=localhost:8073")
    name, beam_args, root, workers = check.asked
    assert (name, root, workers) == ("prism", tmp_path, 1)
    assert "--job_endpoint=localhost:8073" in beam_args


def test_command_tries_this_machine_and_prints_nothing_of_libraries(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.engine", "check", "--root", tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "local can run the Beam stages" in ended.stdout
    assert not [*tmp_path.iterdir()]


def test_a_server_that_is_away_is_not_asked_which_arguments_it_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine, "_silence_libraries", lambda: None)
    place = ("--engine", "portable", "--set", "engine.address=localhost:1")
    arguments = ("--root", str(tmp_path), *place, "--set", 'beam.args=["--only_it_knows=1"]')
    assert engine.main(["check", *arguments]) == ExitCode.FAILED
    assert "No job server answers at localhost:1" in capsys.readouterr().out


def test_a_server_that_is_no_job_server_is_told_of_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine, "_silence_libraries", lambda: None)
    with serve() as address:
        place = ("--engine", "portable", "--set", f"engine.address={address}")
        assert engine.main(["check", "--root", str(tmp_path), *place]) == ExitCode.FAILED
    assert capsys.readouterr().out.startswith(f"No job server answers at {address} (what listens")
