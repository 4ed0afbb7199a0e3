"""The Trainer's input: splits kept in memory while they fit, and streamed where they don't."""

import functools
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

from trainer_module import features, ordering
from trainer_module.tfx_internals import (
    DataAccessor,
    artifact_utils,
    io_utils,
    standard_artifacts,
    tfxio_utils,
)

EXAMPLE_BYTES = features.IMAGE_SIZE**2 * np.dtype(np.float32).itemsize + np.dtype(np.int64).itemsize
"""Memory that a transformed example takes."""

_READ_BATCH = 1024
"""Examples that are read, or pass through the transform graph, at a time."""

_PREFETCH_BATCHES = 4

_unconverted = tf.autograph.experimental.do_not_convert
"""Keeps AutoGraph off: nothing here branches on tensors, and to convert what the layer of the
transform graph calls takes four seconds a process."""

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes images float32 [B, 28, 28, 1] and a seed int64 [2]; returns other images."""


@dataclass(frozen=True)
class Records:
    """A split as it lies on disk.

    Attributes:
        file_patterns: its files, as `FnArgs.train_files` gives them.
        data_accessor: `FnArgs.data_accessor`, which knows how they are written.
        transform_output: what Transform exported.
    """

    file_patterns: Sequence[str]
    data_accessor: DataAccessor
    transform_output: tft.TFTransformOutput

    @classmethod
    def from_artifacts(
        cls,
        examples: list[standard_artifacts.Examples],
        split: str,
        transform_output: tft.TFTransformOutput,
    ) -> "Records":
        """Finds a split of all artifacts together, to be read as the Trainer reads it."""
        factory = tfxio_utils.get_tf_dataset_factory_from_artifact(examples, [__name__])
        return cls(
            [
                io_utils.all_files_pattern(uri)
                for uri in artifact_utils.get_split_uris(examples, split)
            ],
            DataAccessor(factory, None, None),
            transform_output,
        )

    def read(self) -> Iterator[bytes]:
        """Reads the raw examples, packed, in whatever order they lie."""
        make_dataset = _unconverted(self.data_accessor.tf_dataset_factory)
        batches = make_dataset(
            list(self.file_patterns),
            TensorFlowDatasetOptions(
                batch_size=_READ_BATCH, num_epochs=1, shuffle=False, drop_final_batch=False
            ),
            self.transform_output.raw_metadata.schema,
        )
        for batch in _finish(batches).as_numpy_iterator():
            images, labels = (np.ravel(batch[name]) for name in (features.IMAGE, features.LABEL))
            yield from map(ordering.pack, images, labels.tolist())

    def transform(self, packed: tf.data.Dataset) -> tf.data.Dataset:
        """Applies the transform graph to batches of packed examples."""
        layer = self.transform_output.transform_features_layer()

        def transform(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            transformed = layer(ordering.unpack(batch))
            return transformed[features.IMAGE], transformed[features.LABEL]

        return _map(packed, transform)


@dataclass(frozen=True)
class MemorySplit:
    """A split that was decoded and transformed once, and stays in memory.

    Attributes:
        images: float32 [N, 28, 28, 1] in [0, 1].
        labels: int64 [N].
    """

    images: tf.Tensor
    labels: tf.Tensor

    @property
    def size(self) -> int:
        """The number of examples."""
        return len(self.labels)

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the split once, in order: (float32 [B, 28, 28, 1], int64 [B])."""
        return _finish(self._gather(tf.data.Dataset.range(self.size).batch(batch_size)))

    def epochs(self, batch_size: int, seeds: Sequence[int]) -> tf.data.Dataset:
        """Returns the split once for each seed, shuffled by it, as `batches` does."""

        # Shuffling indices and gathering whole batches costs a fraction of shuffling images.
        def shuffle(seed: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(self.size, dtype=tf.int64), [seed, 0]
            )
            return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

        numbered = tf.data.Dataset.from_tensor_slices(np.array(seeds, np.int64))
        return self._gather(numbered.flat_map(_unconverted(shuffle)))

    def _gather(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        return _map(
            indices, lambda batch: (tf.gather(self.images, batch), tf.gather(self.labels, batch))
        )


@dataclass(frozen=True)
class StreamedSplit:
    """A split too large for memory: read, decoded and transformed anew in each epoch.

    Attributes:
        records: knows how it is transformed.
        file: its packed examples in order, as TFRecords.
        size: the number of examples.
        shuffle_buffer: raw examples held to shuffle among.
    """

    records: Records
    file: Path
    size: int
    shuffle_buffer: int

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the split once, in order: (float32 [B, 28, 28, 1], int64 [B])."""
        batches = self._read().batch(batch_size)
        # Of a file nobody knows how many it has, and Keras would warn that it ended.
        count = tf.data.experimental.assert_cardinality(steps_per_epoch(self, batch_size))
        return _finish(self.records.transform(batches.apply(count)))

    def epochs(self, batch_size: int, seeds: Sequence[int]) -> tf.data.Dataset:
        """Returns the split once for each seed, shuffled by it, as `batches` does."""
        packed = [
            self._read()
            .shuffle(self.shuffle_buffer, int(seed), reshuffle_each_iteration=False)
            .batch(batch_size)
            for seed in seeds
        ]
        return self.records.transform(functools.reduce(tf.data.Dataset.concatenate, packed))

    def _read(self) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(str(self.file))


Split = MemorySplit | StreamedSplit


def load_splits(records: Sequence[Records], memory_mb: int, scratch: Path) -> list[Split]:
    """Loads each split that fits into what is left of the budget; the others are streamed.

    Either way its examples are in the order of `ordering`, however their files have them.

    Args:
        records: the splits, the most important to hold in memory first.
        memory_mb: the budget for all of them, in megabytes (10⁶ bytes).
        scratch: a directory that keeps what is streamed, as long as it is used.

    Returns:
        The splits, in the given order.

    Raises:
        ValueError: a split has no examples.
    """
    left = memory_mb * 10**6
    splits = []
    for one in records:
        split = _load(one, left // EXAMPLE_BYTES, scratch)
        if isinstance(split, MemorySplit):
            left -= split.size * EXAMPLE_BYTES
        splits.append(split)
    return splits


def _load(records: Records, most: int, scratch: Path) -> Split:
    """Loads a split of at most so many examples; a larger one is sorted on disk."""
    examples = records.read()
    # A raw example is smaller than a transformed one: this stays within the budget.
    held = list(itertools.islice(examples, most + 1))
    if not held:
        raise ValueError(f"no examples in {', '.join(records.file_patterns)}")
    if len(held) <= most:
        return _decode(records, sorted(held, key=ordering.key))
    directory = Path(tempfile.mkdtemp(dir=scratch))
    file, size = ordering.sort_to_file(itertools.chain(held, examples), directory)
    return StreamedSplit(records, file, size, min(size, max(_READ_BATCH, most)))


def _decode(records: Records, packed: Sequence[bytes]) -> MemorySplit:
    images = np.empty([len(packed), features.IMAGE_SIZE, features.IMAGE_SIZE, 1], np.float32)
    labels = np.empty(len(packed), np.int64)
    batches = tf.data.Dataset.from_tensor_slices(tf.constant(packed)).batch(_READ_BATCH)
    start = 0
    for some, of_them in _finish(records.transform(batches)).as_numpy_iterator():
        end = start + len(of_them)
        images[start:end], labels[start:end] = some, of_them
        start = end
    return MemorySplit(tf.constant(images), tf.constant(labels))


def training_batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    augment: Augment | None = None,
) -> tf.data.Dataset:
    """Returns the batches of all epochs in a row, each epoch shuffled and augmented anew.

    What an epoch holds follows from the seed and its number alone, so that a training that
    was broken off goes on as if it had not been.

    Args:
        split: what is learnt from.
        batch_size: examples in a batch; an epoch's last may be smaller.
        seed: of the orders and of the augmentation.
        epochs: the number of the last epoch plus one.
        first_epoch: the number of the first epoch.
        augment: changes the images; None leaves them as they are.

    Returns:
        A dataset of (float32 [B, 28, 28, 1], int64 [B]).
    """
    # Seeds from one sequence: the epochs of runs with neighbouring seeds share none.
    seeds = np.random.SeedSequence(seed).generate_state(epochs)[first_epoch:]
    batches = split.epochs(batch_size, seeds.tolist())
    if augment is not None:
        step = first_epoch * steps_per_epoch(split, batch_size)
        batches = _map(
            batches.enumerate(step),
            lambda step, batch: (augment(batch[0], tf.stack([seed, step])), batch[1]),
        )
    return _finish(batches)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """The number of batches of a split, the smaller last one included."""
    return -(-split.size // batch_size)


def _map(batches: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    return batches.map(_unconverted(function), num_parallel_calls=tf.data.AUTOTUNE)


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    # Workers hand on in order, not as they are ready.
    options.deterministic = True
    # With it, TensorFlow 2.16 waits at the end of an iterator for the autotuning thread,
    # whose periods double: up to nine seconds.
    options.autotune.enabled = False
    return batches.prefetch(_PREFETCH_BATCHES).with_options(options)
