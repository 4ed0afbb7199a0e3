import json

import pytest

from pipeline.errors import ExitCode
from pipeline.nodes import BASELINE_RESOLVER, NODES
from pipeline.results import (
    ClassMetrics,
    Evaluation,
    Failure,
    Metrics,
    NodeResult,
    Pushed,
    RunResult,
    Serving,
    Training,
)


def judged(loss: float = 0.25) -> Evaluation:
    shirt = ClassMetrics(
        examples=1000,
        accuracy=0.7,
        loss=loss,
        precision=0.75,
        f1=None,
        most_confused_with="T-shirt/top",
    )
    return Evaluation(
        overall=Metrics(examples=10_000, accuracy=0.9, loss=loss),
        classes={"Shirt": shirt},
        blessed=False,
        reasons=["accuracy of Shirt is 0.7000 and should be at least 0.8000"],
    )


def strict(text: str) -> dict:
    """Reads JSON as a parser does that knows no NaN."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def trained() -> Training:
    return Training(
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
        dataset="fashion_mnist",
        components={"Trainer": NodeResult(state="done", seconds=12.5)},
        training=trained(),
        evaluation=judged(),
        serving=Serving(reasons=["it is too large"], measures={"size_mb": 30.5}),
        pushed=Pushed(path="/s/tinyvgg/7", version="7"),
        pictures=["/r/learning_curves.png"],
        failure=None,
        exit_code=ExitCode.NOT_BLESSED,
        log="/r/pipeline.log",
    )
    assert strict(result.to_json()) == {
        "run_id": "r1",
        "dataset": "fashion_mnist",
        "components": {"Trainer": {"state": "done", "seconds": 12.5}},
        "metrics": {
            "overall": {"examples": 10_000, "accuracy": 0.9, "loss": 0.25},
            "classes": {
                "Shirt": {
                    "examples": 1000,
                    "accuracy": 0.7,
                    "loss": 0.25,
                    "precision": 0.75,
                    "f1": None,
                    "most_confused_with": "T-shirt/top",
                }
            },
        },
        "blessed": False,
        "reasons": ["accuracy of Shirt is 0.7000 and should be at least 0.8000"],
        "training": {
            "parameters": 12_794,
            "epochs": 25,
            "best_epoch": 24,
            "exported_epoch": 24,
            "eval_accuracy": 0.92,
            "eval_loss": 0.22,
            "learning_rate": 0.004,
            "learning_rate_warning": "the loss is flat",
        },
        "serving": {"reasons": ["it is too large"], "measures": {"size_mb": 30.5}},
        "pushed": {"path": "/s/tinyvgg/7", "version": "7"},
        "pictures": ["/r/learning_curves.png"],
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
    assert (refused["metrics"], refused["blessed"], refused["reasons"]) == (None, None, [])


def test_json_is_one_line_whatever_a_cause_holds():
    failure = Failure(cause='two\nlines, "quoted" – ü')
    text = RunResult(run_id="r1", failure=failure).to_json()
    assert "\n" not in text
    assert strict(text)["failure"]["cause"] == failure.cause


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_figures_that_are_not_finite_are_null_in_json(loss):
    metrics = strict(RunResult(run_id="r1", evaluation=judged(loss)).to_json())["metrics"]
    assert metrics["overall"]["loss"] is None
    assert metrics["classes"]["Shirt"]["loss"] is None


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
