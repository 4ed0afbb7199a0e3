"""Vega-Lite specifications as plain dictionaries: https://vega.github.io/vega-lite/docs/spec.html.

An encoding says by which field of the data a channel, as `x` or `color`, goes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

_Value = TypeVar("_Value")

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

_LINES = {"gridColor": "currentColor", "gridOpacity": 0.13, "domainColor": "currentColor"}
_TEXT = {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": 500}
_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "axis": {**_LINES, **_TEXT, "tickColor": "currentColor", "labelFontSize": 11},
    "view": {"stroke": None},
    "legend": {**_TEXT, "orient": "top", "title": None, "labelFontSize": 12},
}


def number(field: str, **options: Any) -> Spec:
    """An encoding by a field of numbers; options as those of its channel."""
    return {"field": field, "type": "quantitative", **options}


def name(field: str, **options: Any) -> Spec:
    """An encoding by a field of names; options as those of its channel."""
    return {"field": field, "type": "nominal", **options}


def data(rows: Iterable[Mapping[str, Any]]) -> Spec:
    """Data of a chart or of a layer. NaN and infinity become null, which JSON has."""
    return {"values": [{key: finite(value) for key, value in row.items()} for row in rows]}


def finite(value: _Value) -> _Value | None:
    """A value as it is, but None for a number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def chart(rows: Spec, layers: Sequence[Spec], height: int, description: str) -> Spec:
    """A chart of layers, one over the other, as wide as its place.

    Args:
        rows: what `data` makes, for the layers that have none of their own.
        layers: the lowest first, each with its `mark` and `encoding`.
        height: in pixels.
        description: for those who can't see it.
    """
    return {
        "$schema": _SCHEMA,
        "description": description,
        "config": _CONFIG,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "width": "container",
        "height": height,
        "data": rows,
        "layer": layers,
    }
