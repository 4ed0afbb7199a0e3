"""Fetches images that show what the data gate means."""

import base64
import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components import image_measures
from components.data_gate.findings import Picture
from components.image_statistics.labels import name_class
from components.image_statistics.reading import Batch, parse, read_serialized

SHOWN = 8

_Row = tuple[float, bytes, int]
"""By what it is sorted, the PNG, and the label."""


def fetch(split: Path, measure: str, highest: bool) -> list[Picture]:
    """Fetches a few images of a split, the same whatever their order.

    Args:
        split: a directory of gzipped TFRecords of raw examples.
        measure: of `image_measures`; empty for any images.
        highest: whether to take those with the highest values instead of the lowest.
    """
    rows = (row for file in sorted(split.iterdir()) for row in _rows(str(file), measure, highest))
    return [
        Picture(base64.b64encode(png).decode(), _caption(measure, abs(value), label))
        for value, png, label in heapq.nsmallest(SHOWN, rows)
    ]


def _rows(file: str, measure: str, highest: bool) -> Iterator[_Row]:
    for examples in read_serialized(file):
        batch = parse(examples)
        values = _measure(batch, measure) * (-1 if highest else 1)
        for index in np.flatnonzero(batch.decoded):
            yield float(values[index]), batch.pngs[index], int(batch.labels[index])


def _measure(batch: Batch, measure: str) -> np.ndarray:
    """The measure, or zeros, of each image: float64 [N]."""
    if not measure:
        return np.zeros(len(batch.labels))
    return image_measures.measure(batch.images)[measure]


def _caption(measure: str, value: float, label: int) -> str:
    return f"{name_class(label)}, {measure} {value:.3f}" if measure else name_class(label)
