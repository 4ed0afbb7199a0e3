import json
import math

import pytest
import vl_convert

from components.report import vega_lite
from components.report.charts import make_charts

NAMES = ["classes", "confusion", "loss", "accuracy", "rate"]
NAMES += ["range_test", "shares", "ink", "brightness"]


def test_what_is_not_a_number_becomes_null():
    rows = [{"a": math.nan, "b": -math.inf, "c": 0.5, "d": 3, "e": "text", "f": None}]
    expected = [{"a": None, "b": None, "c": 0.5, "d": 3, "e": "text", "f": None}]
    assert vega_lite.data(rows) == {"values": expected}


def test_encodings_tell_numbers_from_names():
    assert vega_lite.number("x", title=None) == {
        "field": "x",
        "type": "quantitative",
        "title": None,
    }
    assert vega_lite.name("y") == {"field": "y", "type": "nominal"}


@pytest.mark.parametrize("name", NAMES)
def test_vega_lite_takes_a_chart_without_a_warning(page, name, capfd):
    spec = make_charts(page)[name]
    vega = vl_convert.vegalite_to_vega(spec, vl_version=vl_convert.get_vegalite_versions()[-1])
    assert vega["marks"]
    assert "WARN" not in json.dumps(vega) + "".join(capfd.readouterr())


def test_charts_are_as_wide_as_their_place(page):
    assert {chart["width"] for chart in make_charts(page).values()} == {"container"}
