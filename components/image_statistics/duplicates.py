"""Finds images that are there more than once, by the digest of their pixels."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from components.image_statistics.findings import (
    BLANK,
    CONFLICT,
    LEAK,
    REPEAT,
    SAMPLES,
    UNDECODABLE,
)
from components.image_statistics.reading import Batch
from trainer_module import features

ROW = np.dtype(
    [
        ("digest", "S16"),
        ("split", "u1"),
        (features.LABEL, "i8"),
        ("state", "u1"),
        ("file", "u4"),
        ("record", "u8"),
    ]
)
"""What is kept of an example: the numbers of its split, file and record, and no pixels."""

_DIGEST_BYTES = ROW["digest"].itemsize
_BUCKETS = 64
_WHOLE, _BLANK, _BROKEN = range(3)


@dataclass(frozen=True)
class Candidate:
    """An image that may become a sample.

    Attributes:
        digest: the bytes of its digest.
        labels: under which it is in the split.
        other_labels: under which it is in the other split.
        place: the numbers of a file and a record that have it; None, if it can't be decoded.
    """

    digest: bytes
    labels: tuple[int, ...]
    other_labels: tuple[int, ...]
    place: tuple[int, int] | None


@dataclass(frozen=True)
class Found:
    """So many examples, and the images of them with the lowest digests."""

    count: int
    candidates: tuple[Candidate, ...]


Key = tuple[str, int, int]
"""Kind and numbers of the two splits; twice the same, if no other is concerned."""


def describe(batch: Batch, split: int, file: int, first_record: int) -> np.ndarray:
    """Describes a batch of consecutive examples of a file: `ROW` [N]."""
    flat = batch.images.reshape(len(batch.labels), -1)
    rows = np.empty(len(flat), ROW)
    rows["digest"] = [
        _digest(pixels.tobytes() if decoded else png)
        for pixels, png, decoded in zip(flat, batch.pngs, batch.decoded, strict=True)
    ]
    blank = np.where(flat.min(axis=1) == flat.max(axis=1), _BLANK, _WHOLE)
    rows["state"] = np.where(batch.decoded, blank, _BROKEN)
    rows["split"], rows[features.LABEL], rows["file"] = split, batch.labels, file
    rows["record"] = np.arange(first_record, first_record + len(flat))
    return rows


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def split_into_buckets(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Deals rows out by digest, so that equal images meet in one bucket."""
    first_bytes = np.ascontiguousarray(rows["digest"]).view(np.uint8)[::_DIGEST_BYTES]
    numbers = first_bytes % _BUCKETS
    for number in np.unique(numbers).tolist():
        yield number, rows[numbers == number]


def find(rows: np.ndarray, splits: int) -> dict[Key, Found]:
    """Finds what there is in a bucket.

    Args:
        rows: `ROW` [N], all of the bucket.
        splits: how many splits there are.
    """
    found = {}
    for kind, state in ((BLANK, _BLANK), (UNDECODABLE, _BROKEN)):
        for split in range(splits):
            of_them = rows[(rows["state"] == state) & (rows["split"] == split)]
            found[kind, split, split] = _collect(of_them, of_them, of_them[:0])
    found.update(_compare(rows[rows["state"] == _WHOLE], splits))
    return {key: one for key, one in found.items() if one.count}


def _compare(rows: np.ndarray, splits: int) -> Iterator[tuple[Key, Found]]:
    digests, images = np.unique(rows["digest"], return_inverse=True)
    images = images.reshape(-1)
    parts = [_Part.of(rows, images, split, len(digests)) for split in range(splits)]
    for split, part in enumerate(parts):
        nothing = part.rows[:0]
        yield (REPEAT, split, split), _collect(part.rows[part.repeats()], part.rows, nothing)
        mask = part.conflicts(part)
        yield (CONFLICT, split, split), _collect(part.rows[mask], part.rows, nothing)
        for other_split, other in enumerate(parts[:split]):
            for kind, mask in ((LEAK, part.leaks(other)), (CONFLICT, part.conflicts(other))):
                key = (kind, split, other_split)
                yield key, _collect(part.rows[mask], part.rows, other.rows)


@dataclass(frozen=True)
class _Part:
    """What a split has of a bucket.

    Attributes:
        rows: `ROW` [N].
        images: int64 [N], the number of each row's image among the bucket's D distinct ones.
        lowest: int64 [D], the lowest label of each image; the highest integer, if it is not there.
        highest: int64 [D], the highest label; the lowest integer, if it is not there.
    """

    rows: np.ndarray
    images: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, images: np.ndarray, split: int, distinct: int) -> "_Part":
        mask = rows["split"] == split
        rows, images = rows[mask], images[mask]
        limits = np.iinfo(np.int64)
        lowest, highest = np.full(distinct, limits.max), np.full(distinct, limits.min)
        np.minimum.at(lowest, images, rows[features.LABEL])
        np.maximum.at(highest, images, rows[features.LABEL])
        return cls(rows, images, lowest, highest)

    def repeats(self) -> np.ndarray:
        """Which rows have an image that an earlier one has."""
        again = np.ones(len(self.rows), bool)
        again[np.unique(self.images, return_index=True)[1]] = False
        return again

    def leaks(self, other: "_Part") -> np.ndarray:
        """Which rows have an image that the other split has too."""
        return np.isin(self.images, other.images)

    def conflicts(self, other: "_Part") -> np.ndarray:
        """Which rows have an image that has another label in the other split."""
        labels = self.rows[features.LABEL]
        differs = (other.lowest[self.images] != labels) | (other.highest[self.images] != labels)
        return self.leaks(other) & differs


def _collect(found: np.ndarray, rows: np.ndarray, other_rows: np.ndarray) -> Found:
    """Counts rows, and picks images with all labels that they have in both splits."""
    digests, places = np.unique(found["digest"], return_index=True)
    candidates = [
        Candidate(
            digest.ljust(_DIGEST_BYTES, b"\0"),
            _labels(rows, digest),
            _labels(other_rows, digest),
            None if row["state"] == _BROKEN else (int(row["file"]), int(row["record"])),
        )
        for digest, row in zip(digests[:SAMPLES], found[places[:SAMPLES]], strict=True)
    ]
    return Found(len(found), tuple(candidates))


def _labels(rows: np.ndarray, digest: bytes) -> tuple[int, ...]:
    return tuple(np.unique(rows[features.LABEL][rows["digest"] == digest]).tolist())


def merge(parts: Iterable[Mapping[Key, Found]]) -> dict[Key, Found]:
    """Puts together what was found in several buckets."""
    merged: dict[Key, Found] = {}
    for part in parts:
        for key, one in part.items():
            before = merged.get(key, Found(0, ()))
            candidates = heapq.nsmallest(
                SAMPLES, before.candidates + one.candidates, key=lambda two: two.digest
            )
            merged[key] = Found(before.count + one.count, tuple(candidates))
    return merged
