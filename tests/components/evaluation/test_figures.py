import json

import pytest

from components.evaluation.figures import Miss
from tests.evaluations import LOW_RECALL, class_metrics, evaluation

NAN = float("nan")


def miss(**fields):
    return LOW_RECALL.model_copy(update=fields)


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (miss(), "recall of Shirt is 0.7000 and should be at least 0.7500: 0.0500 too low"),
        (
            miss(metric="loss", slice="overall", kind="ceiling", value=0.6, bound=0.5, by=0.1),
            "loss overall is 0.6000 and should be at most 0.5000: 0.1000 too high",
        ),
        (
            miss(metric="f1", kind="drop", value=0.08, bound=0.05, by=0.03),
            "F1 of Shirt is 0.0800 lower than the baseline's, and may be 0.0500 lower: "
            "0.0300 too much",
        ),
        (miss(value=None, by=None), "recall of Shirt is not a number"),
    ],
)
def test_a_miss_says_metric_slice_value_bound_and_by_how_much(one, sentence):
    assert one.sentence == sentence


def test_every_miss_is_a_reason():
    misses = [miss(), miss(metric="f1")]
    assert evaluation(*misses).reasons == [one.sentence for one in misses]


def test_a_blessed_model_has_no_reasons():
    assert evaluation().reasons == []


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (["Shirt"], "recall of Shirt is not a number"),
        (["Shirt", "Bag"], "recall of Shirt and recall of Bag are not a number"),
        (
            ["Shirt", "Bag", "Coat", "Dress", "Sandal"],
            "recall of Shirt, recall of Bag, recall of Coat and 2 more figures are not a number",
        ),
    ],
)
def test_all_that_are_not_numbers_are_one_reason(classes, reason):
    unknown = [miss(slice=name, value=None, by=None) for name in classes]
    assert evaluation(*unknown, miss()).reasons == [reason, miss().sentence]


def test_what_is_not_a_number_twice_is_named_once():
    unknown = miss(value=None, by=None)
    assert evaluation(unknown, unknown.model_copy(update={"kind": "drop"})).reasons == [
        "recall of Shirt is not a number"
    ]


def test_a_figure_without_a_meaning_is_none():
    figures = class_metrics(precision=NAN)
    assert figures.precision is None
    assert json.loads(figures.model_dump_json())["precision"] is None


def test_a_miss_of_no_number_is_none():
    assert Miss(metric="f1", slice="Bag", kind="floor", value=NAN, bound=0, by=NAN).value is None
