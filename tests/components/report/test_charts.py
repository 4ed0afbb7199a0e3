import dataclasses
import json
import math

import pytest

from components.image_statistics.description import Description
from components.report.charts import make_charts
from trainer_module import features


def values(chart):
    return chart["data"]["values"]


def test_heat_map_has_a_cell_a_pair_with_its_share_of_the_true_class(page):
    cells = values(make_charts(page)["confusion"])
    assert len(cells) == 100
    assert cells[1] == {
        "true": "T-shirt/top",
        "predicted": "Trouser",
        "images": 100,
        "share": pytest.approx(0.1),
    }


def test_bars_tell_each_figure_of_each_class_and_its_change(page):
    bars = values(make_charts(page)["classes"])
    assert [bar["class"] for bar in bars[::3]] == list(features.CLASS_NAMES)
    assert bars[0]["text"] == "recall 0.900"
    assert bars[0]["change"] == pytest.approx(-0.02)


def test_what_is_not_a_number_becomes_null(page):
    shirt = page.evaluation.classes["Shirt"].model_copy(update={"accuracy": math.nan})
    broken = page.evaluation.model_copy(update={"classes": {"Shirt": shirt}})
    charts = make_charts(dataclasses.replace(page, evaluation=broken))
    json.dumps(charts, allow_nan=False)
    assert values(charts["classes"])[0]["text"] == "recall –"


def test_class_without_images_has_empty_shares(page):
    confusion = [[0] * 10] * 10
    empty = page.evaluation.model_copy(update={"confusion": confusion})
    cells = values(make_charts(dataclasses.replace(page, evaluation=empty))["confusion"])
    assert {cell["share"] for cell in cells} == {0}


@pytest.mark.parametrize("epochs", [1, 2, 13, 100])
def test_ticks_stand_at_whole_epochs_and_are_not_too_many(page, epochs):
    history = {name: [0.5] * epochs for name in page.training.history}
    training = dataclasses.replace(page.training, epochs=epochs, exported_epoch=1, history=history)
    chart = make_charts(dataclasses.replace(page, training=training))["loss"]
    ticks = chart["layer"][0]["encoding"]["x"]["axis"]["values"]
    assert ticks[0] == 1
    assert len(ticks) <= 13
    assert all(isinstance(tick, int) for tick in ticks)


def test_range_test_that_was_not_finite_from_the_start_has_no_curve(page):
    test = dataclasses.replace(
        page.range_test, rates=[1e-5, 1e-4], losses=[2.3, None], smoothed=[2.3, None]
    )
    assert "range_test" not in make_charts(dataclasses.replace(page, range_test=test))


def test_no_chart_without_its_data(page):
    bare = dataclasses.replace(page, evaluation=None, training=None, range_test=None, images={})
    assert make_charts(bare) == {}


def test_shares_have_a_bar_for_each_class_of_each_split(page):
    bars = values(make_charts(page)["shares"])
    assert len(bars) == 30
    assert {"class": "Bag", "split": "eval", "images": 51, "share": 51 / 501} in bars


def test_histograms_are_steps_from_edge_to_edge_in_each_split(page):
    steps = values(make_charts(page)["ink"])
    of_test = [(one["low"], one["high"], one["images"]) for one in steps if one["split"] == "test"]
    assert of_test == [(0.0, 0.25, 999), (0.25, 1.0, 1), (1.0, None, 1)]


def test_splits_that_were_not_measured_have_no_chart(page):
    bare = dataclasses.replace(page, images={"test": Description(3, {}, {})})
    assert not {"shares", "ink", "brightness"} & set(make_charts(bare))
    assert not {"shares", "ink"} & set(make_charts(dataclasses.replace(page, images={})))
