import datetime
import math

import numpy as np
import pytest

from pipeline.errors import ExitCode
from pipeline.runs.run_result import Failure, Pushed, RunResult
from pipeline.screen import views
from tests import evaluations
from trainer_module import features

NAMES = features.CLASS_NAMES


def confused(*mistakes):
    """A confusion matrix of ten images a class, with such mistakes: true, predicted, count."""
    matrix = np.eye(len(NAMES), dtype=int) * 10
    for true, predicted, count in mistakes:
        matrix[NAMES.index(true), NAMES.index(predicted)] += count
        matrix[NAMES.index(true), NAMES.index(true)] -= count
    return matrix.tolist()


THIS = evaluations.evaluation(
    classes={
        "Coat": evaluations.class_metrics(accuracy=0.9, f1=None, loss=math.nan),
        "Shirt": evaluations.class_metrics(accuracy=0.7, f1=0.75, most_confused_with="Coat"),
    },
    slices={"ink": {"little": evaluations.slice_metrics(accuracy=0.8)}},
    confusion=confused(("Shirt", "Coat", 4), ("Coat", "Shirt", 1)),
)
OTHER = evaluations.evaluation(
    overall=evaluations.overall_metrics(accuracy=0.85),
    classes={
        "Shirt": evaluations.class_metrics(accuracy=0.8, f1=0.7),
        "Bag": evaluations.class_metrics(),
    },
    slices={"ink": {"little": evaluations.slice_metrics(accuracy=0.9)}},
    confusion=confused(("Shirt", "Coat", 1), ("Bag", "Dress", 2)),
)


def row_of(table, **cells):
    [row] = [row for row in table.rows if cells.items() <= row.items()]
    return row


def keys(table):
    return [column.key for column in table.columns]


def headings(table):
    return [column.heading for column in table.columns if column.heading]


def test_classes_have_recall_by_its_name_and_all_other_figures():
    table = views.by_slice(THIS, "label")
    assert keys(table)[:3] == ["slice", "examples", "recall"]
    shirt = row_of(table, slice="Shirt")
    assert (shirt["recall"], shirt["f1"], shirt["most_confused_with"]) == (0.7, 0.75, "Coat")
    assert set(evaluations.class_metrics().model_dump()) - {"intervals", "accuracy"} <= set(shirt)


@pytest.mark.parametrize("slicing", ["ink"])
def test_other_slices_have_accuracy_and_no_figures_of_a_class(slicing):
    table = views.by_slice(THIS, slicing)
    assert keys(table) == [
        *("slice", "examples", "accuracy", "loss", "top_2_accuracy", "calibration_error")
    ]
    assert headings(table)[0] == slicing
    assert row_of(table, slice="little")["accuracy"] == 0.8


def test_slices_that_were_not_made_are_known_not_to_be_there():
    assert views.has_slicing(THIS, "label")
    assert views.has_slicing(THIS, "ink")
    assert not views.has_slicing(THIS, "group")


def test_a_comparison_has_the_figure_the_others_and_the_change():
    table = views.by_slice(THIS, "label", OTHER)
    shirt = row_of(table, slice="Shirt")
    assert (shirt["recall"], shirt["other_recall"]) == (0.7, 0.8)
    assert shirt["change_recall"] == pytest.approx(-0.1)
    assert shirt["change_f1"] == pytest.approx(0.05)
    assert {"auc", "other_auc", "change_auc"} <= set(keys(table))
    assert headings(table) == [
        *("class", "images", "recall", "other", "change", "F1", "other", "change"),
        *("loss", "other", "change"),
    ]


def test_what_one_of_two_runs_lacks_has_no_change():
    table = views.by_slice(THIS, "label", OTHER)
    assert [row["slice"] for row in table.rows] == ["Coat", "Shirt", "Bag"]
    coat, bag = row_of(table, slice="Coat"), row_of(table, slice="Bag")
    assert (coat["recall"], coat["other_recall"], coat["change_recall"]) == (0.9, None, None)
    assert (bag["recall"], bag["other_recall"], bag["change_recall"]) == (None, 0.9, None)


def test_the_largest_drop_is_the_worst_change():
    table = views.by_slice(THIS, "label", OTHER)
    assert table.worst(1, "change_recall").rows[0]["slice"] == "Shirt"


def test_intervals_are_columns_where_they_were_asked_for():
    with_intervals = evaluations.evaluation(
        classes={"Shirt": evaluations.class_metrics(intervals={"accuracy": (0.6, 0.8)})}
    )
    table = views.by_slice(with_intervals, "label")
    shirt = row_of(table, slice="Shirt")
    assert (shirt["recall_low"], shirt["recall_high"]) == (0.6, 0.8)
    assert keys(table)[2:5] == ["recall", "recall_low", "recall_high"]
    assert "recall_low" not in keys(views.by_slice(THIS, "label"))


def test_overall_is_one_row_with_macro_averages():
    [row] = views.overall(THIS, OTHER).rows
    assert row["examples"] == 10_000
    assert row["change_accuracy"] == pytest.approx(0.05)
    assert row["macro_f1"] == 0.9


def test_confusion_is_pairs_of_classes_the_most_images_first():
    table = views.confusion(THIS)
    assert table.to_objects() == [
        {"true": "Shirt", "predicted": "Coat", "examples": 4, "share": 0.4},
        {"true": "Coat", "predicted": "Shirt", "examples": 1, "share": 0.1},
    ]


def test_confusion_of_two_runs_has_the_mistakes_of_either():
    table = views.confusion(THIS, OTHER)
    assert row_of(table, true="Shirt", predicted="Coat")["change_examples"] == 3
    assert row_of(table, true="Bag", predicted="Dress")["change_examples"] == -2
    assert table.worst(1, "change_examples").rows[0]["true"] == "Shirt"


def test_a_run_is_told_by_when_on_what_how_good_and_what_became_of_it():
    started = datetime.datetime(2026, 11, 24, 13, 20, tzinfo=datetime.timezone.utc)
    pushed = RunResult(
        run_id="r3",
        started=started,
        dataset="fashion_mnist",
        evaluation=evaluations.evaluation(),
        pushed=Pushed(path="/served/7", version="7"),
    )
    refused = RunResult(
        run_id="r2",
        evaluation=evaluations.evaluation(evaluations.LOW_RECALL),
        exit_code=ExitCode.NOT_BLESSED,
    )
    failed = RunResult(run_id="r1", failure=Failure(cause="no data"))
    first, second, third = views.runs([pushed, refused, failed]).to_objects()
    assert first == {
        "run": "r3",
        "started": "2026-11-24T13:20:00+00:00",
        "dataset": "fashion_mnist",
        "accuracy": 0.9,
        "verdict": "pushed",
        "blessed": True,
        "version": 7,
        "why_not_pushed": [],
    }
    assert (second["blessed"], second["version"]) == (False, None)
    assert second["why_not_pushed"] == [evaluations.LOW_RECALL.sentence]
    assert (third["accuracy"], third["why_not_pushed"]) == (None, ["no data"])
