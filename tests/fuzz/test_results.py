"""Whatever one run's `result.json` holds, all runs are listed, each under its own name."""

import json

import pytest
from hypothesis import given
from rich.console import Console

from pipeline import nodes, workspace
from pipeline.runs import history, pages
from pipeline.runs.run_result import (
    Code,
    Failure,
    NodeResult,
    Pushed,
    RunResult,
    ServingResult,
    TrainingResult,
)
from pipeline.screen import views
from pipeline.screen.summary import print_summary
from tests import evaluations
from tests.fuzz import spoiling

SPOILED, SOUND = "2026-11-24T13-20-16.112", "2026-11-25T09-00-00.000"
RESULT = RunResult(
    run_id=SPOILED,
    started="2026-11-24T13:20:16.112000Z",
    duration_s=12.5,
    settings={"training.epochs": 3},
    code=Code(commit="0" * 40, clean=True),
    dataset="fashion_mnist",
    components={nodes.TRAINER: NodeResult(state="done", seconds=3.5)},
    training=TrainingResult(
        parameters=4430,
        epochs=3,
        best_epoch=2,
        exported_epoch=2,
        eval_accuracy=0.9,
        eval_loss=0.3,
        learning_rate=0.004,
    ),
    evaluation=evaluations.evaluation(evaluations.LOW_RECALL),
    serving=ServingResult(reasons=["it is too slow"], measures={"size_mb": 0.3}),
    pushed=Pushed(path="/served/7", version="7", live_version="8"),
    pictures=["curves.png"],
    notes=["a note"],
    log="pipeline.log",
)
FAILED = RESULT.model_copy(update={"failure": Failure(cause="it broke", node=nodes.TRAINER)})
BLESSED = RESULT.model_copy(update={"evaluation": evaluations.evaluation(), "serving": None})
FIRST_FORMAT = {**evaluations.FIRST_FORMAT, "run_id": SPOILED}
DOCUMENTS = [json.loads(one.to_json()) for one in (RESULT, FAILED, BLESSED)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root with a run whose result is to be spoiled, and a sound one."""
    root = tmp_path_factory.mktemp("root")
    for run_id in (SPOILED, SOUND):
        (workspace.runs(root) / run_id).mkdir(parents=True)
        (workspace.runs(root) / run_id / "pipeline.log").touch()
    (workspace.runs(root) / SOUND / "result.json").write_text(RunResult(run_id=SOUND).to_json())
    return root


@given(content=spoiling.json_files(*DOCUMENTS, FIRST_FORMAT))
def test_any_result_leaves_the_list_of_the_runs_whole(root, content):
    (workspace.runs(root) / SPOILED / "result.json").write_bytes(content)
    sound, spoiled = history.read_runs(root)
    assert (sound.run_id, spoiled.run_id) == (SOUND, SPOILED)
    pages.write_index(root)
    table = views.runs([sound, spoiled])
    with (root / "screen.txt").open("w", encoding="utf-8") as screen:
        screen.write(table.to_csv())
        table.print(Console(file=screen))
        print_summary(Console(file=screen), spoiled)
        screen.write(spoiled.to_json())


@given(document=spoiling.documents(*DOCUMENTS, FIRST_FORMAT))
def test_what_is_read_of_any_result_is_read_alike_when_written_again(root, document):
    file = workspace.runs(root) / SPOILED / "result.json"
    file.write_text(json.dumps(document))
    once = history.read_run(root, SPOILED)
    file.write_text(once.to_json())
    if once.readable:
        assert history.read_run(root, SPOILED).to_json() == once.to_json()
