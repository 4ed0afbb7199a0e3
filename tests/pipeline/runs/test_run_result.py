import datetime
import json
import math

import pytest

from components.data_gate.findings import Finding
from components.evaluation.figures import Evaluation
from pipeline.data.preparation import SetAside
from pipeline.errors import ExitCode
from pipeline.nodes import BASELINE_RESOLVER, NODES
from pipeline.runs.run_result import (
    Code,
    Failure,
    NodeResult,
    Pushed,
    RunResult,
    ServingResult,
    TrainingResult,
)
from tests.evaluations import LOW_RECALL, class_metrics, evaluation, overall_metrics


def judged(loss: float = 0.25) -> Evaluation:
    return evaluation(
        LOW_RECALL, overall=overall_metrics(loss=loss), classes={"Shirt": class_metrics(loss=loss)}
    )


def strict(text: str) -> dict:
    """Reads JSON as a parser does that knows no NaN."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def trained() -> TrainingResult:
    return TrainingResult(
        parameters=12_794,
        epochs=25,
        best_epoch=24,
        exported_epoch=24,
        eval_accuracy=0.92,
        eval_loss=0.22,
        learning_rate=0.004,
        learning_rate_warning="the loss is flat",
    )


def test_json_has_everything_of_a_run():
    result = RunResult(
        run_id="r1",
        started=datetime.datetime(2026, 11, 24, 13, 20, 16, tzinfo=datetime.timezone.utc),
        dataset="fashion_mnist",
        components={"Trainer": NodeResult(state="done", seconds=12.5)},
        data_findings=[Finding("drift", "warn", "ink", "test", "it is less")],
        training=trained(),
        evaluation=judged(),
        serving=ServingResult(reasons=["it is too large"], measures={"size_mb": 30.5}),
        pushed=Pushed(path="/s/tinyvgg/7", version="7", live_version="7"),
        pictures=["/r/learning_curves.png"],
        report="/r/report.html",
        duration_s=81.5,
        settings={"training.epochs": 3},
        code=Code(commit="0" * 40, clean=True),
        unfit_version=2,
        set_aside=SetAside(17, 60_000, "/r/records/data-1"),
        notes=["a note"],
        serving_flags="--root /r",
        failure=None,
        exit_code=ExitCode.NOT_BLESSED,
        log="/r/pipeline.log",
    )
    assert strict(result.to_json()) == {
        "format": 3,
        "run_id": "r1",
        "duration_s": 81.5,
        "settings": {"training.epochs": 3},
        "code": {"commit": "0" * 40, "clean": True},
        "unfit_version": 2,
        "started": "2026-11-24T13:20:16Z",
        "running": False,
        "dataset": "fashion_mnist",
        "components": {"Trainer": {"state": "done", "seconds": 12.5, "note": ""}},
        "data_findings": [
            {
                "kind": "drift",
                "severity": "warn",
                "feature": "ink",
                "split": "test",
                "found": "it is less",
                "pictures": [],
            }
        ],
        "spans": [],
        "evaluation": judged().model_dump(mode="json"),
        "first_test": None,
        "blessed": False,
        "reasons": [LOW_RECALL.sentence],
        "verdict": {
            "state": "refused",
            "label": "not blessed",
            "headline": "Not blessed, and not pushed",
            "reasons": [LOW_RECALL.sentence],
        },
        "set_aside": {"examples": 17, "of": 60_000, "directory": "/r/records/data-1"},
        "notes": ["a note"],
        "serving_flags": "--root /r",
        "training": {
            "parameters": 12_794,
            "epochs": 25,
            "best_epoch": 24,
            "exported_epoch": 24,
            "eval_accuracy": 0.92,
            "eval_loss": 0.22,
            "learning_rate": 0.004,
            "learning_rate_warning": "the loss is flat",
            "dataset": "",
            "seed": None,
            "source": "",
            "commit": "",
            "device": "",
        },
        "serving": {"reasons": ["it is too large"], "measures": {"size_mb": 30.5}},
        "pushed": {"path": "/s/tinyvgg/7", "version": "7", "new": True, "live_version": "7"},
        "pictures": ["/r/learning_curves.png"],
        "report": "/r/report.html",
        "failure": None,
        "exit_code": 3,
        "log": "/r/pipeline.log",
    }


def test_json_of_a_run_that_did_not_start_has_the_same_keys():
    failure = Failure(cause="No data.")
    refused = strict(RunResult(run_id="r1", failure=failure, exit_code=ExitCode.USAGE).to_json())
    whole = strict(RunResult(run_id="r1", evaluation=judged()).to_json())
    assert set(refused) == set(whole)
    assert refused["failure"] == {"cause": "No data.", "node": None}
    assert refused["exit_code"] == 2
    assert (refused["evaluation"], refused["blessed"], refused["reasons"]) == (None, None, [])


def test_json_is_one_line_whatever_a_cause_holds():
    failure = Failure(cause='two\nlines, "quoted" – ü')
    text = RunResult(run_id="r1", failure=failure).to_json()
    assert "\n" not in text
    assert strict(text)["failure"]["cause"] == failure.cause


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_figures_that_are_not_finite_are_null_in_json(loss):
    text = RunResult(run_id="r1", evaluation=judged(loss)).to_json()
    figures = strict(text)["evaluation"]
    assert figures["overall"]["loss"] is None
    assert figures["classes"]["Shirt"]["loss"] is None


def test_figures_that_are_null_are_read_back_as_not_a_number():
    text = RunResult(run_id="r1", evaluation=judged(float("nan"))).to_json()
    assert math.isnan(RunResult.model_validate_json(text).evaluation.overall.loss)


@pytest.mark.parametrize(
    ("fields", "sentences"),
    [
        ({}, []),
        ({"evaluation": evaluation()}, []),
        (
            {"evaluation": evaluation(), "serving": ServingResult(reasons=["it is slow"])},
            ["it is slow"],
        ),
        ({"evaluation": judged()}, [LOW_RECALL.sentence]),
        (
            {
                "evaluation": evaluation(),
                "pushed": Pushed(path="/s/3", version="3", live_version="1"),
            },
            [],
        ),
        ({"failure": Failure(cause="no data")}, ["no data"]),
        ({"running": True}, ["it has not ended yet"]),
        (
            {"evaluation": judged(), "failure": Failure(cause="disk full", node="Pusher")},
            ["Pusher failed: disk full"],
        ),
    ],
    ids=[
        *("no model", "blessed", "not sound", "refused", "waits for a pin", "failed", "running"),
        "refused and failed",
    ],
)
def test_what_kept_a_run_from_pushing_is_a_sentence_each(fields, sentences):
    assert RunResult(run_id="r1", **fields).why_not_pushed == sentences


def run_with(**states: str) -> RunResult:
    components = {node: NodeResult(state=states.get(node, "cached")) for node in NODES}
    return RunResult(run_id="r1", components=components)


def test_a_run_is_idle_if_everything_came_from_the_cache():
    assert run_with().idle
    assert run_with(StatisticsGen="left out").idle


def test_a_run_is_idle_though_it_looked_for_the_baseline():
    assert run_with(**{BASELINE_RESOLVER: "done"}).idle


@pytest.mark.parametrize("state", ["done", "waiting", "running", "failed", "interrupted"])
@pytest.mark.parametrize("node", ["ImportExampleGen", "Trainer", "Pusher"])
def test_a_run_in_which_a_component_did_not_come_from_the_cache_is_not_idle(node, state):
    assert not run_with(**{node: state}).idle


def test_a_run_that_did_not_start_is_not_idle():
    assert not RunResult(run_id="r1").idle
