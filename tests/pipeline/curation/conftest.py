"""Data that is as curated, and data that is spoilt in some way."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.pipeline.measuring import EXAMPLES, GOOD, raw
from trainer_module import features


@dataclass(frozen=True)
class Case:
    """Columns of a split that is spoilt in some way."""

    schema: str
    columns: Mapping[str, list[Any]]


def _last(schema: str, feature: str, value: list[Any] | None) -> Case:
    columns = GOOD[schema]()
    return Case(schema, {**columns, feature: [*columns[feature][:-1], value]})


def _with(schema: str, **columns: list[Any] | None) -> Case:
    found = {**GOOD[schema](), **columns}
    return Case(schema, {name: values for name, values in found.items() if values is not None})


LABELS = raw()[features.LABEL]

CASES: Mapping[str, Case] = {
    **{f"good_{name}": _with(name) for name in GOOD},
    "label_above": _last("schema.pbtxt", features.LABEL, [11]),
    "label_below": _last("schema.pbtxt", features.LABEL, [-1]),
    "label_missing_once": _last("schema.pbtxt", features.LABEL, None),
    "label_missing": _with("schema.pbtxt", label=None),
    "two_labels": _last("schema.pbtxt", features.LABEL, [1, 2]),
    "labels_as_floats": _with("schema.pbtxt", label=[[float(one)] for [one] in LABELS]),
    "labels_as_text": _with("schema.pbtxt", label=[[str(one)] for [one] in LABELS]),
    "image_missing_once": _last("schema.pbtxt", features.IMAGE, None),
    "price": _with("schema.pbtxt", price=[[1.5]] * EXAMPLES),
    "price_at_times": _with("schema.pbtxt", price=[[1.5], None] * (EXAMPLES // 2)),
    "no_ink": _last("images.pbtxt", "ink", [0.0]),
    "only_ink": _last("images.pbtxt", "ink", [1.0]),
    "ink_of_nan": _last("images.pbtxt", "ink", [math.nan]),
    "ink_missing_once": _last("images.pbtxt", "ink", None),
    "too_bright": _last("images.pbtxt", "brightness", [0.95]),
    "unknown_class": _last("images.pbtxt", "class", ["11"]),
    "class_not_seen": _last("images.pbtxt", "class", ["Bag"]),
    "uneven_shares": _with("images.pbtxt", class_share=[[0.9, 0.1, 0.0], *[None] * 199]),
    "no_shares": _with("images.pbtxt", class_share=None),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request) -> Case:
    return request.param
