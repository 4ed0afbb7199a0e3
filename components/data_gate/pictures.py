"""Fetches images that show what the data gate means, and counts them."""

import base64
import hashlib
import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components import image_measures
from components.data_gate.anomalies import Anomaly
from components.data_gate.findings import Picture
from components.data_gate.judging import Shown
from components.image_statistics.labels import name_class
from components.image_statistics.reading import Batch, parse, read_serialized

SHOWN = 8

_Row = tuple[float, bytes, bytes, int]
"""The measure, a digest, by which equals are in no order that says anything, PNG and label."""


def fetch(split: Path, anomaly: Anomaly | None) -> Shown:
    """Fetches a few images of a split, the same whatever their order.

    Args:
        split: a directory of gzipped TFRecords of raw examples.
        anomaly: of a measure that is out of bounds, of which the most extreme are shown; None
            for any images.
    """
    examples, count, rows = 0, 0, list[_Row]()
    for batch in _read(split):
        values = _measure(batch, anomaly)
        meant = np.flatnonzero(batch.decoded & _is_meant(values, anomaly))
        examples, count = examples + len(values), count + len(meant)
        rows = heapq.nsmallest(SHOWN, [*rows, *_rows(batch, values, meant, anomaly)])
    pictures = [
        Picture(base64.b64encode(png).decode(), _caption(anomaly, abs(value), label))
        for value, _, png, label in rows
    ]
    return Shown(pictures, count, examples)


def _read(split: Path) -> Iterator[Batch]:
    for file in sorted(split.iterdir()):
        yield from map(parse, read_serialized(str(file)))


def _measure(batch: Batch, anomaly: Anomaly | None) -> np.ndarray:
    """The measure, or zeros, of each image: float64 [N]."""
    if anomaly is None:
        return np.zeros(len(batch.labels))
    return image_measures.measure(batch.images)[anomaly.feature]


def _is_meant(values: np.ndarray, anomaly: Anomaly | None) -> np.ndarray:
    if anomaly is None or anomaly.bound is None:
        return np.ones(len(values), bool)
    return values > anomaly.bound if anomaly.too_high else values < anomaly.bound


def _rows(
    batch: Batch, values: np.ndarray, meant: np.ndarray, anomaly: Anomaly | None
) -> Iterator[_Row]:
    sign = -1 if anomaly and anomaly.too_high else 1
    for index in meant:
        png = batch.pngs[index]
        digest = hashlib.blake2b(png, digest_size=8).digest()
        yield sign * float(values[index]), digest, png, int(batch.labels[index])


def _caption(anomaly: Anomaly | None, value: float, label: int) -> str:
    return f"{name_class(label)}, {anomaly.feature} {value:.3f}" if anomaly else name_class(label)
