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
            writers[_bucket(one)].write(one)
    sorted_file = directory / "sorted"
    # One iterator for all buckets: TensorFlow takes longer to begin and end one than to read.
    # In batches, as each of its steps costs more than what it yields.
    names = [str(file) for file in buckets]
    batches = tf.data.TFRecordDataset(names).batch(_READ_BATCH).as_numpy_iterator()
    examples = itertools.chain.from_iterable(batches)
    with tf.io.TFRecordWriter(str(sorted_file)) as writer:
        for _, bucket in itertools.groupby(examples, _bucket):
            for one in sorted(bucket, key=key):
                writer.write(one)
    for file in buckets:
        file.unlink()
    return sorted_file, count


def _bucket(packed: bytes) -> int:
    """By the first byte of the key, so that the buckets are in order."""
    return key(packed)[0] * _BUCKETS // 256
