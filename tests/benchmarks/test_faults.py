"""The table of faults, with a program in place of the commands that recovers within a second."""

import dataclasses
import math
import random
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.faults import trial
from benchmarks.faults.__main__ import main
from benchmarks.faults.cases import NODES, cases
from benchmarks.faults.running import Ended, is_alike
from benchmarks.faults.trial import Bench, Case, HopelessError, Row, Trial, measure
from pipeline import nodes
from pipeline.errors import ExitCode
from pipeline.runs.run_result import Failure, NodeResult, Pushed, RunResult
from tests.evaluations import evaluation, overall_metrics

PLANT = Path(__file__).with_name("plant.py")

RESULT = RunResult(
    run_id="2026-01-01T00-00-00.000",
    components={node: NodeResult(state="done", seconds=0.05) for node in NODES},
    evaluation=evaluation(),
    pushed=Pushed(path="/served/model/1", version="1", live_version="1"),
)


@pytest.fixture(scope="module")
def make_bench(tmp_path_factory):
    """Makes a bench whose command has a defect, and prints a result."""

    def make_bench(defect="none", result=RESULT) -> Bench:
        place = tmp_path_factory.mktemp("bench")
        program = shutil.copy(PLANT, place)
        (place / "result.json").write_text(result.to_json())
        scratch = place / "scratch"
        scratch.mkdir()

        def call(*arguments):
            return [sys.executable, "-I", "-S", str(program), defect, *arguments]

        return Bench(scratch, [], 60.0, call)

    return make_bench


@pytest.fixture(scope="module")
def undisturbed(make_bench) -> Bench:
    bench = make_bench()
    bench.prepare()
    return bench


@pytest.fixture
def attempt(make_bench, undisturbed, monkeypatch):
    """Tries a fault once, quickly."""
    monkeypatch.setattr("benchmarks.faults.cases._STOPPED_S", 0.1)
    monkeypatch.setattr("benchmarks.faults.cases._SETTLED_S", 0.05)

    def attempt(name, defect="none", number=0) -> Trial:
        bench = make_bench(defect)
        bench.references.update(undisturbed.references)
        shutil.copytree(undisturbed.prepared, bench.prepared)
        if defect == "no end":
            # Waited for no longer than a busy machine makes others wait.
            bench = dataclasses.replace(bench, limit_s=3.0)
        found = trial.attempt(bench, cases()[name], number, random.Random(1))
        assert [one.name for one in bench.scratch.iterdir()] == ["prepared"]
        return found

    return attempt


KILL = f"SIGKILL in {nodes.TRAINER}"


@pytest.fixture
def at_trainer(monkeypatch):
    """Whatever may be broken in one of several components is broken there."""
    monkeypatch.setattr(random.Random, "choice", lambda self, among: nodes.TRAINER)


@pytest.mark.parametrize(
    "name",
    [
        *("SIGSTOP, then SIGCONT", "Ctrl-C", "64 descriptors"),
        *(f"files of {nodes.TRAINER} deleted", "root moved"),
        *("metadata.db garbled", "metadata.db locked", "clock put back a day"),
        "two runs in two roots",
    ],
)
def test_a_command_that_recovers_survives(attempt, at_trainer, name):
    found = attempt(name)
    assert found.well, found


@pytest.mark.parametrize("number", range(3), ids=["first", "second", "third"])
def test_kills_go_round_the_command_the_worker_and_both(attempt, at_trainer, number):
    found = attempt(KILL, number=number)
    assert found.survived
    # Each row begins with another.
    victim = (NODES.index(nodes.TRAINER) + number) % 3
    assert found.said == f"it ended by {1 if victim == 1 else 'SIGKILL'}"


@pytest.mark.parametrize(
    ("defect", "told"),
    [
        ("no end", {"survived": False, "trouble": "exit code None: it hung"}),
        ("half version", {"survived": False, "trouble": "serving list: half"}),
        ("other figures", {"survived": True, "same": False}),
        ("executions", {"survived": True, "left": ["1 × RUNNING execution"]}),
    ],
    ids=["hangs", "half a version", "other figures", "left behind"],
)
def test_what_is_wrong_after_a_fault_is_told(attempt, at_trainer, defect, told):
    found = attempt(KILL, defect)
    assert {name: getattr(found, name) for name in told} == told
    assert not found.well


def test_a_pipeline_that_fails_undisturbed_is_not_measured(make_bench):
    failed = RESULT.model_copy(
        update={"failure": Failure(cause="no data"), "exit_code": ExitCode.USAGE}
    )
    with pytest.raises(HopelessError, match="ended with 2: no data"):
        make_bench(result=failed).prepare()


@pytest.mark.parametrize(
    ("loss", "alike"), [(0.25 + 1e-9, True), (0.2501, False), (math.nan, False)], ids=str
)
def test_figures_may_differ_by_the_order_of_a_sum_and_no_more(loss, alike):
    changed = RESULT.model_copy(
        update={"evaluation": evaluation(overall=overall_metrics(loss=loss))}
    )
    one, other = (Ended(0, result.to_json(), "").figures for result in (RESULT, changed))
    assert is_alike(one, one)
    assert is_alike(one, other) is alike
    assert not is_alike(one, None)


def test_a_row_that_can_not_be_tried_says_why(make_bench):
    case = Case(lambda scene: pytest.fail("tried"), obstacle=lambda: "no disk")
    [row] = measure(make_bench(), {"disk full": case}, tries=3, seed=0)
    assert row.to_markdown() == "| disk full | 0 | not tried: no disk | – | – | – |"


def test_a_row_counts_the_tries_and_names_what_went_wrong():
    good, bad = Trial("Killed", True, True), Trial("a|b", False, False, ["1 × process"], "lost")
    assert Row("SIGKILL", [good, bad]).to_markdown() == (
        "| SIGKILL | 2 | 1; lost | 1 | 1 × process | Killed; a\\|b |"
    )


def test_a_name_chooses_faults_and_one_that_is_none_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["faults", "--list", "--only", "ctrl-c"])
    assert main() == 0
    assert capsys.readouterr().out.splitlines() == ["Ctrl-C", "Ctrl-C twice"]
    monkeypatch.setattr(sys, "argv", ["faults", "--only", "flood"])
    with pytest.raises(SystemExit, match="There is no fault flood"):
        main()


def test_the_table_is_printed_and_says_by_the_exit_code_whether_all_is_well(monkeypatch, capsys):
    monkeypatch.setattr(Bench, "prepare", lambda bench: None)
    ends = iter([True, False])
    monkeypatch.setattr(trial, "attempt", lambda *one: Trial("moved", next(ends), True))
    for code in (0, 1):
        monkeypatch.setattr(sys, "argv", ["faults", "--only", "root moved"])
        assert main() == code
    assert capsys.readouterr().out.splitlines() == [
        *trial.HEAD.splitlines(),
        "| root moved | 1 | 1 | 1 | nothing | moved |",
        *trial.HEAD.splitlines(),
        "| root moved | 1 | 0 | 1 | nothing | moved |",
    ]


def test_every_component_that_runs_is_killed_and_robbed():
    found = cases(days=3)
    assert {f"SIGKILL in {node}" for node in NODES} <= {*found}
    assert {f"files of {node} deleted" for node in NODES} <= {*found}
    assert "3 runs with a fault each" in found
