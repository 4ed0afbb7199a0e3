import csv
import io

import pytest

from components.data_gate.anomalies import Distance
from components.image_statistics.description import describe
from components.image_statistics.distances import JENSEN_SHANNON
from components.image_statistics.statistics import build_statistics
from pipeline.runs.run_data import RunData
from pipeline.runs.run_result import RunResult
from pipeline.screen import data_views
from tests.pipeline.describing import tally

NOW = {"train": tally({"Bag": 3, "Coat": 1}, [0.1, 0.1, 0.1, 0.9])}
BEFORE = {"train": tally({"Bag": 1, "Coat": 1}, [0.1, 0.9])}


def describe_all(tallies):
    return {name: describe(build_statistics(one).datasets[0]) for name, one in tallies.items()}


@pytest.fixture(scope="module")
def now():
    return describe_all(NOW)


@pytest.fixture(scope="module")
def before():
    return describe_all(BEFORE)


def find(table, **wanted):
    [row] = [row for row in table.rows if wanted.items() <= row.items()]
    return row


def test_classes_are_counted_with_shares_above_the_sum(now):
    table = data_views.classes(now)
    assert find(table, **{"class": "Bag"})["train_share"] == 0.75
    assert find(table, **{"class": "Dress"})["train"] == 0
    assert table.rows[-1]["train"] == 4
    assert table.to_csv().splitlines()[0] == "class,train,train_share"


def test_shares_stand_beside_those_of_another_run_with_the_change(now, before):
    row = find(data_views.classes(now, before), **{"class": "Bag"})
    assert (row["train_share"], row["train_other"], row["train_change"]) == (0.75, 0.5, 0.25)


def test_split_that_the_other_run_does_not_have_has_no_change(now):
    row = find(data_views.classes(now, {}), **{"class": "Bag"})
    assert (row["train_share"], row["train_other"], row["train_change"]) == (0.75, None, None)


def test_rows_have_every_class_and_every_bucket(now, before):
    lines = [*csv.DictReader(io.StringIO(data_views.rows(now, before).to_csv()))]
    assert len(lines) == 10 + 2 * 12
    [bag] = [line for line in lines if line["class"] == "Bag"]
    assert (bag["examples"], bag["share"], bag["change_share"]) == ("3", "0.75", "0.25")
    [ink] = [line for line in lines if line["feature"] == "ink" and line["examples"] == "3"]
    assert (float(ink["low"]), float(ink["high"])) == pytest.approx((1 / 12, 2 / 12))
    assert "other_share" not in data_views.rows(now).to_csv()


def test_distances_are_those_of_skew_drift_and_the_other_run(now, before):
    apart = Distance("ink", "test", "train", JENSEN_SHANNON, 0.25, 0.05)
    drift = Distance("ink", "train", "train", JENSEN_SHANNON, 0.01, 0.05)
    data = RunData(RunResult(run_id="r"), splits=now, skew=[apart], drift=[drift])
    other = RunData(RunResult(run_id="s"), splits=before)
    table = data_views.distances(data, other, "span 1")
    assert [(row["compared_with"], row["too_far"]) for row in table.rows[:2]] == [
        ("train", True),
        ("train before", False),
    ]
    row = find(table, feature="class", compared_with="span 1's train")
    assert (row["value"], row["bound"], row["too_far"]) == (0.25, None, None)
    assert len(data_views.distances(data).rows) == 2
