"""The order of the examples: by a hash of what they hold, wherever it lies.

The files that ImportExampleGen writes have no order to go by: Beam deals the examples out by
random keys, and engine and workers decide on the number of files. What is trained on them
follows from content and seed alone.
"""

import hashlib
import heapq
import itertools
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import tensorflow as tf

from trainer_module import features

_LABEL_BYTES = 8
_BUCKETS = 64
_READ_BATCH = 1024


def pack(image: bytes, label: int) -> bytes:
    """Makes one string of what an example holds: its label, then the bytes of its PNG."""
    return label.to_bytes(_LABEL_BYTES, "little", signed=True) + image


def unpack(packed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Takes packed examples (string [N]) apart: `image` string [N], `label` int64 [N]."""
    labels = tf.io.decode_raw(tf.strings.substr(packed, 0, _LABEL_BYTES), tf.int64)
    return {
        features.IMAGE: tf.strings.substr(packed, _LABEL_BYTES, -1),
        features.LABEL: tf.squeeze(labels, axis=1),
    }


def key(packed: bytes) -> bytes:
    """The place of a packed example in the order; only duplicates share one."""
    return hashlib.blake2b(packed, digest_size=16).digest()


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


def sort_to_file(packed: Iterable[bytes], directory: Path) -> tuple[Path, int]:
    """Sorts more examples than fit into memory: into buckets on disk, then bucket by bucket.

    Args:
        packed: the examples, in any order.
        directory: exists; needs twice the room that the examples take.

    Returns:
        A file of TFRecords, a packed example each, and how many there are.
    """
    buckets = [directory / f"bucket-{number:02}" for number in range(_BUCKETS)]
    count = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(file))) for file in buckets]
        for count, one in enumerate(packed, start=1):  # noqa: B007
            # By the first byte of the key, so that the buckets are in order.
            writers[key(one)[0] * _BUCKETS // 256].write(one)
    sorted_file = directory / "sorted"
    with tf.io.TFRecordWriter(str(sorted_file)) as writer:
        for bucket in buckets:
            # In batches, as each step of the iterator costs more than what it yields.
            batches = tf.data.TFRecordDataset(str(bucket)).batch(_READ_BATCH).as_numpy_iterator()
            for one in sorted(itertools.chain.from_iterable(batches), key=key):
                writer.write(one)
            bucket.unlink()
    return sorted_file, count
