"""Fetches the pictures of samples: only a few are needed, so they are not carried along."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import tensorflow as tf

from components.image_statistics.reading import parse, read_serialized

Place = tuple[int, int]
"""The numbers of a file and of a record in it."""


def fetch_pictures(files: Sequence[str], places: Collection[Place]) -> dict[Place, bytes]:
    """Reads some images again.

    Args:
        files: all of them, by number.
        places: of images that can be decoded.

    Returns:
        PNGs, encoded anew, so that the same pixels give the same bytes.
    """
    records = defaultdict(list)
    for file, record in sorted(places):
        records[file].append(record)
    return {
        (file, record): png
        for file, wanted in records.items()
        for record, png in zip(wanted, _fetch(files[file], wanted), strict=True)
    }


def _fetch(file: str, records: Sequence[int]) -> Iterator[bytes]:
    """The pictures of records, whose numbers rise."""
    first = 0
    for examples in read_serialized(file):
        end = first + len(examples)
        wanted = [record - first for record in records if first <= record < end]
        if wanted:
            for image in parse(tf.gather(examples, wanted)).images:
                yield tf.io.encode_png(image[..., None]).numpy()
        first = end
