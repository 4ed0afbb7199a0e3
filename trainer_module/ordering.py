"""The order of the examples: by a hash of what they hold, wherever it lies.

The files that ImportExampleGen writes have no order to go by: engine and workers decide on their
number, and on what is in which. What is trained on them follows from content and seed alone.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tensorflow as tf

from trainer_module import features

KEY_BYTES = 16
"""Of the key, which says where an example comes."""

_LABEL_BYTES = 8

_DIGIT_BITS = 6
"""Examples are dealt out to 64 files by so many bits of their key."""

_DIGITS = 64 // _DIGIT_BITS
"""After so many, what is still together are duplicates."""

_HELD_BYTES = 64 << 20
"""The largest file of examples that is sorted in memory."""


def pack(image: bytes, label: int) -> bytes:
    """Makes one string of what an example holds: its label, then the bytes of its PNG."""
    return label.to_bytes(_LABEL_BYTES, "little", signed=True) + image


def key(packed: bytes) -> bytes:
    """The place of a packed example in the order; only duplicates share one."""
    return hashlib.blake2b(packed, digest_size=KEY_BYTES).digest()


def first_examples(examples: Iterable[bytes], count: int) -> list[bytes]:
    """Picks the first examples in this order, without holding the others.

    Args:
        examples: serialized, labelled raw `tf.Example`s, in any order.
        count: at most how many.
    """
    return heapq.nsmallest(count, examples, key=_key_of_example)


def _key_of_example(serialized: bytes) -> bytes:
    feature = tf.train.Example.FromString(serialized).features.feature
    [image] = feature[features.IMAGE].bytes_list.value
    [label] = feature[features.LABEL].int64_list.value
    return key(pack(image, label))


def sort_keys(keys: np.ndarray) -> np.ndarray:
    """Returns the order, int64 [N], that keys, uint8 [N, 16], put their rows into."""
    high, low = np.ascontiguousarray(keys).view(">u8").T
    return np.lexsort([low, high])


def sort_to_files(
    rows: Iterable[np.ndarray], directory: Path, rows_per_file: int
) -> tuple[list[Path], int]:
    """Sorts more rows than fit into memory: into buckets on disk, then bucket by bucket.

    However many there are, no more than a bucket is held, and one too large is dealt out again.

    Args:
        rows: uint8 [N, 16 + W] each, the key of a row before what it holds.
        directory: exists, and is empty; needs twice the room that the rows take.
        rows_per_file: how many a file gets; the last gets the rest.

    Returns:
        Files in order, each of some rows without their keys, and how many rows there are.
    """
    files: list[Path] = []
    count = 0
    for part in _cut(_sort(rows, directory, 0), rows_per_file):
        files.append(directory / f"{len(files):06}")
        part[:, KEY_BYTES:].tofile(files[-1])
        count += len(part)
    return files, count


def _sort(rows: Iterable[np.ndarray], directory: Path, digit: int) -> Iterator[np.ndarray]:
    """Yields rows in order, some at a time; `digit` is the first in which their keys differ."""
    buckets, width = _deal_out(rows, directory, digit)
    for bucket in buckets:
        if bucket.stat().st_size > _HELD_BYTES and digit + 1 < _DIGITS:
            inner = directory / f"{bucket.name}-again"
            inner.mkdir()
            yield from _sort(_read(bucket, width), inner, digit + 1)
            inner.rmdir()
        else:
            held = np.fromfile(bucket, np.uint8).reshape(-1, width)
            yield held[sort_keys(held[:, :KEY_BYTES])]
        bucket.unlink()


def _deal_out(rows: Iterable[np.ndarray], directory: Path, digit: int) -> tuple[list[Path], int]:
    """Writes rows into files by a digit of their keys; returns these, and the width of a row."""
    files = [directory / f"bucket-{number:02}" for number in range(1 << _DIGIT_BITS)]
    width = 0
    with ExitStack() as stack:
        opened = [stack.enter_context(file.open("wb")) for file in files]
        for some in rows:
            width = some.shape[1]
            numbers = _read_digit(some[:, :KEY_BYTES], digit)
            order = np.argsort(numbers, kind="stable")
            ends = np.cumsum(np.bincount(numbers, minlength=len(files)))
            for file, part in zip(opened, np.split(some[order], ends[:-1]), strict=True):
                file.write(part.data)
    return files, width


def _read_digit(keys: np.ndarray, digit: int) -> np.ndarray:
    """A digit of keys, uint8 [N, 16], of which the first counts for most: int64 [N]."""
    high = np.ascontiguousarray(keys).view(">u8")[:, 0]
    shift = np.uint64(64 - _DIGIT_BITS * (digit + 1))
    return ((high >> shift) & np.uint64((1 << _DIGIT_BITS) - 1)).astype(np.int64)


def _read(file: Path, width: int) -> Iterator[np.ndarray]:
    """Reads a file of rows, a little at a time."""
    with file.open("rb") as opened:
        while content := opened.read(_HELD_BYTES // width * width):
            yield np.frombuffer(content, np.uint8).reshape(-1, width)


def _cut(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Cuts rows that come in parts of any size into parts of one size; the last may be smaller."""
    rest: np.ndarray | None = None
    for part in parts:
        joined = part if rest is None else np.concatenate([rest, part])
        whole = len(joined) // size * size
        yield from (joined[start : start + size] for start in range(0, whole, size))
        rest = joined[whole:]
    if rest is not None and len(rest):
        yield rest
