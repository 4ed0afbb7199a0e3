import io

import pytest
from rich.console import Console

from components.evaluation.figures import ClassMetrics
from pipeline.errors import ExitCode
from pipeline.nodes import BASELINE_RESOLVER, NODES
from pipeline.runs.run_result import (
    Failure,
    FirstTest,
    NodeResult,
    Pushed,
    RunResult,
    ServingResult,
    TrainingResult,
)
from pipeline.screen.summary import print_summary
from tests.evaluations import (
    LOW_ACCURACY,
    LOW_RECALL,
    class_metrics,
    evaluation,
    overall_metrics,
)
from tests.pipeline.mill import TRAINED

BLESSED = evaluation(classes={})
PUSHED = Pushed(path="/served/tinyvgg/7", version="7")


def printed(result: RunResult) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    print_summary(console, result)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def run_result(state: str = "done", **fields: object) -> RunResult:
    components = {node: NodeResult(state=state) for node in NODES}
    return RunResult(**{"run_id": "r1", "components": components, **fields})


def figures(
    precision: float | None = 0.8, f1: float = 0.9, confused: str | None = None
) -> ClassMetrics:
    return class_metrics(
        accuracy=0.71239, loss=0.75, precision=precision, f1=f1, most_confused_with=confused
    )


def test_spans_that_were_learnt_from_are_named_beside_the_training():
    training = TrainingResult(**TRAINED)
    lines = printed(run_result(training=training, spans=["span 2025-02-01", "span 2025-01-31"]))
    assert lines[1] == "trained on span 2025-02-01, span 2025-01-31"
    assert "trained on span" not in "\n".join(printed(run_result(training=training)))


def test_the_figures_on_the_first_test_split_are_a_line_of_their_own():
    first = evaluation(overall=overall_metrics(accuracy=0.90126, loss=0.27654), classes={})
    told = FirstTest(span="span 1", figures=first)
    lines = printed(run_result(evaluation=BLESSED, first_test=told))
    [line] = [line for line in lines if "span 1" in line]
    assert line == (
        "on the test split of the first one, span 1: accuracy 0.9013, loss 0.2765 on 10,000 images"
    )


def test_figures_stand_under_their_headings_a_class_a_line():
    classes = {
        "Shirt": figures(confused="T-shirt/top"),
        "Ankle boot": figures(precision=None),
    }
    overall = overall_metrics(accuracy=0.90126, loss=0.27654)
    result = run_result(evaluation=evaluation(overall=overall, classes=classes))
    heading, shirt, boot, overall = printed(result)[:4]
    headings = ["class", "images", "recall", "precision", "F1", "loss", "most confused with"]
    assert " ".join(heading.split()) == " ".join(headings)
    assert shirt.split() == ["Shirt", "1,000", "0.712", "0.800", "0.900", "0.750", "T-shirt/top"]
    assert boot.split() == ["Ankle", "boot", "1,000", "0.712", "–", "0.900", "0.750", "–"]
    assert overall == (
        "test accuracy 0.9013, loss 0.2765, top-2 accuracy 0.9700, calibration error 0.0200 "
        "on 10,000 images"
    )


def test_what_changed_since_the_baseline_stands_beside_the_recall():
    now = evaluation(classes={"Shirt": figures()}, notes=["the test split has no [Coat]"])
    before = evaluation(classes={"Shirt": class_metrics(accuracy=0.73)})
    lines = printed(run_result(evaluation=now.model_copy(update={"baseline": before})))
    assert max(map(len, lines[:2])) <= 80
    assert lines[0].split()[2:4] == ["recall", "change"]
    assert lines[1].split()[2:4] == ["0.712", "-0.018"]
    assert lines[3:5] == [
        "baseline: accuracy 0.9000, loss 0.2500",
        "note: the test split has no [Coat]",
    ]


def test_without_an_evaluation_there_is_no_table():
    lines = printed(run_result(failure=Failure(cause="No luck.")))
    assert lines == ["The run failed: No luck."]


IDLE_BUT_FOR_THE_BASELINE = {
    node: NodeResult(state="done" if node == BASELINE_RESOLVER else "cached") for node in NODES
}
CACHED_PUSHER = {node: NodeResult(state="cached" if node == "Pusher" else "done") for node in NODES}


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (
            run_result(failure=Failure(cause="No [b]luck[/b].", node="Trainer")),
            ["Trainer failed: No [b]luck[/b]."],
        ),
        (
            run_result(failure=Failure(cause="Cause with [/red].")),
            ["The run failed: Cause with [/red]."],
        ),
        (
            run_result(failure=Failure(cause="interrupted"), exit_code=ExitCode.INTERRUPTED),
            ["Interrupted: run it again, and the finished components are kept."],
        ),
        (
            run_result(running=True),
            ["Still running: no model was judged or pushed yet."],
        ),
        (
            run_result(),
            ["Ended before the Evaluator, as asked: no model was judged or pushed."],
        ),
        (
            run_result(evaluation=evaluation(LOW_RECALL, LOW_ACCURACY)),
            [
                "Not blessed, and not pushed:",
                f"  • {LOW_RECALL.sentence}",
                f"  • {LOW_ACCURACY.sentence}",
            ],
        ),
        (
            run_result(evaluation=BLESSED),
            ["Blessed; not pushed, since the run ended before the Pusher."],
        ),
        (
            run_result(
                evaluation=BLESSED,
                serving=ServingResult(reasons=["it is [large]", "slow"]),
            ),
            ["Blessed, but not pushed:", "  • it is [large]", "  • slow"],
        ),
        (
            run_result(evaluation=BLESSED, serving=ServingResult(reasons=[]), pushed=PUSHED),
            ["Blessed and pushed as version 7 in /served/tinyvgg/7"],
        ),
        (
            run_result(evaluation=BLESSED, pushed=PUSHED, components=CACHED_PUSHER),
            ["Blessed, and already live as version 7 in /served/tinyvgg/7"],
        ),
        (
            run_result(
                evaluation=BLESSED,
                pushed=PUSHED,
                components=IDLE_BUT_FOR_THE_BASELINE,
            ),
            ["Nothing to do: already live as version 7 in /served/tinyvgg/7"],
        ),
        (
            run_result(evaluation=BLESSED, pushed=Pushed(path="/[a]/[/b]", version="8")),
            ["Blessed and pushed as version 8 in /[a]/[/b]"],
        ),
    ],
    ids=[
        "failed node",
        "failed elsewhere",
        "interrupted",
        "running",
        "ended before the Evaluator",
        "not blessed",
        "not pushed",
        "not sound",
        "pushed",
        "pushed before",
        "idle",
        "path with markup",
    ],
)
def test_the_verdict_says_what_became_of_the_model_and_why(result, verdict):
    lines = printed(result)
    assert lines[1 if result.evaluation else 0 :][-len(verdict) :] == verdict


def test_a_failure_counts_though_the_model_was_blessed():
    lines = printed(
        run_result(evaluation=BLESSED, failure=Failure(cause="disk full", node="Pusher"))
    )
    assert lines[-1] == "Pusher failed: disk full"
    assert not any("Blessed" in line for line in lines)


def test_the_log_is_named_last_whole_and_as_it_is_spelled():
    log = "/runs/[r1]/" + "long/" * 40 + "pipeline.log"
    assert printed(run_result(log=log))[-1] == f"log: {log}"


def trained(**fields: object) -> TrainingResult:
    figures = {"eval_accuracy": 0.92, "eval_loss": 0.22, "learning_rate": 0.0033}
    epochs = {"epochs": 25, "best_epoch": 24, "exported_epoch": 24}
    return TrainingResult(parameters=12_794, **{**figures, **epochs, **fields})


def test_summary_says_on_which_device_the_model_was_trained():
    lines = printed(run_result(training=trained(device="2 GPUs in float32")))
    assert lines[1] == "device: 2 GPUs in float32"


def test_summary_says_how_the_model_was_trained():
    assert printed(run_result(training=trained()))[0] == (
        "TinyVGG with 12,794 parameters, 25 epochs at a learning rate of up to 0.0033; weights "
        "of epoch 24"
    )


def test_a_single_epoch_is_one_epoch():
    [line] = [one for one in printed(run_result(training=trained(epochs=1))) if "TinyVGG" in one]
    assert " parameters, 1 epoch at " in line


def test_summary_warns_where_the_rate_was_not_found():
    lines = printed(run_result(training=trained(learning_rate_warning="the [loss] is flat")))
    assert lines[1] == "Warning: the learning rate was not found: the [loss] is flat."


def test_summary_warns_of_a_live_model_that_was_not_blessed_with_the_way_back():
    refused = evaluation(LOW_RECALL, classes={})
    lines = printed(run_result(evaluation=refused, unfit_version=3, serving_flags="--root /[r]"))
    assert lines[-1] == (
        "Warning: version 3, which is in service, is this very model, and no longer meets the "
        "thresholds: `python -m pipeline.serving rollback --root /[r]` goes back to the version "
        "before it, if there is one."
    )
    assert not any("in service" in line for line in printed(run_result(evaluation=refused)))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_figure_is_cut_on_a_narrow_screen(width):
    classes = {"Shirt": figures(confused="T-shirt/top"), "Ankle boot": figures()}
    console = Console(file=io.StringIO(), width=width)
    print_summary(console, run_result(evaluation=evaluation(classes=classes)))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]
    rows = [line for line in lines if line.startswith(("class", "Shirt", "Ankle boot"))]
    assert len(rows) == 3
    assert all("0.712" in row and "…" not in row and len(row) <= width for row in rows[1:])


def test_summary_has_the_notes():
    lines = printed(run_result(notes=["learning_rate.peak has no [effect] here"]))
    assert lines[-1] == "note: learning_rate.peak has no [effect] here"


def test_summary_names_the_report():
    lines = printed(run_result(report="/r/runs/[1]/report.html", pictures=["/r/b.png"]))
    assert lines[-2:] == ["report: /r/runs/[1]/report.html", "picture: /r/b.png"]


def test_summary_names_the_pictures():
    lines = printed(run_result(pictures=["/r/a [1].png", "/r/b.png"]))
    assert lines[-2:] == ["picture: /r/a [1].png", "picture: /r/b.png"]
