"""Picks a few images of each class, the same whatever order and files they are in."""

import hashlib
import heapq
from collections import defaultdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.image_statistics.reading import parse, parse_stored, read_serialized
from trainer_module import features

SHOWN = 6
"""Images of a class."""

_SPARE = 2
"""Times as many are taken, as some may be damaged."""

_Rows = dict[bytes, bytes]
"""Serialized examples by the digest of their image, so that one that is there twice is once."""


def pick_samples(split: Path) -> dict[str, list[bytes]]:
    """Picks images of a split.

    Args:
        split: a directory of gzipped TFRecords of raw examples.

    Returns:
        PNGs by the name of their class, in the order of the labels; none of a class that is not
        there, nor of what can't be decoded.
    """
    lowest: dict[int, _Rows] = defaultdict(dict)
    for file in sorted(split.iterdir()):
        for examples in read_serialized(str(file)):
            for label, rows in _group(examples).items():
                known = {**lowest[label], **rows}
                lowest[label] = dict(heapq.nsmallest(SHOWN * _SPARE, known.items()))
    return {
        name: pngs
        for label, name in enumerate(features.CLASS_NAMES)
        if label in lowest and (pngs := _decodable(lowest[label])[:SHOWN])
    }


def _group(examples: tf.Tensor) -> dict[int, _Rows]:
    """Examples by their label."""
    pngs, labels = parse_stored(examples)
    found: dict[int, _Rows] = defaultdict(dict)
    for png, example, label in zip(pngs, examples.numpy(), labels.tolist(), strict=True):
        found[label][hashlib.blake2b(png, digest_size=8).digest()] = example
    return found


def _decodable(rows: _Rows) -> list[bytes]:
    batch = parse(tf.constant([*rows.values()], tf.string))
    return [batch.pngs[index] for index in np.flatnonzero(batch.decoded)]
