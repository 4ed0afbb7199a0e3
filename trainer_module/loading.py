"""The Trainer's input: splits kept in memory while they fit, and streamed where they don't."""

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

from trainer_module import features, held, kept_splits, ordering, pixels, preprocessing
from trainer_module.tfx_internals import (
    DataAccessor,
    artifact_utils,
    io_utils,
    standard_artifacts,
    tfxio_utils,
)

_READ_BATCH = 1024
"""Examples that are read, or pass through the transform graph, at a time."""

_PREFETCH_BATCHES = 4

_unconverted = tf.autograph.experimental.do_not_convert
"""Keeps AutoGraph off: nothing here branches on tensors, and to convert what the layer of the
transform graph calls takes four seconds a process."""

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes images float32 [B, 28, 28, 1] and a seed int64 [2]; returns other images."""


class _NotByValueError(Exception):
    """The transform graph does not do to a pixel what a table says, whatever is around it."""


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

    def identify(self) -> kept_splits.Identity:
        """Tells the split from any other."""
        graph = self.transform_output.transform_savedmodel_dir
        return kept_splits.identify(self.file_patterns, graph)

    def read(self, table: tf.Tensor | None) -> Iterator[held.Batch]:
        """Reads and transforms the examples, in whatever order they lie.

        Args:
            table: what the transform graph is said to make of each value of a pixel, as
                `pixels.tabulate` does; None has images transformed to floats.

        Raises:
            _NotByValueError: it makes something else of one.
        """
        transform = preprocessing.load_transform(self.transform_output)
        make_dataset = _unconverted(self.data_accessor.tf_dataset_factory)
        batches = make_dataset(
            list(self.file_patterns),
            TensorFlowDatasetOptions(
                batch_size=_READ_BATCH, num_epochs=1, shuffle=False, drop_final_batch=False
            ),
            self.transform_output.raw_metadata.schema,
        )

        def apply(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            raw = {name: tf.reshape(batch[name], [-1]) for name in (features.IMAGE, features.LABEL)}
            decoded, transformed = transform(raw)
            images = transformed[features.IMAGE]
            agreed = table is None or pixels.agrees(table, decoded, images)
            kept = images if table is None else decoded
            return *raw.values(), kept, transformed[features.LABEL], agreed

        applied = _map(batches, apply)
        for pngs, raw_labels, kept, labels, agreed in _finish(applied).as_numpy_iterator():
            if not agreed:
                raise _NotByValueError
            packed = map(ordering.pack, pngs, raw_labels.tolist())
            keys = np.frombuffer(b"".join(map(ordering.key, packed)), np.uint8)
            yield held.Batch(keys.reshape(-1, ordering.KEY_BYTES), kept, labels)


@dataclass(frozen=True)
class MemorySplit:
    """A split that was decoded once, and stays in memory.

    Attributes:
        pixels: what is kept of the images: uint8 [N, 28, 28, 1], or float32 in [0, 1].
        labels: int64 [N].
        scale: makes images of it.
    """

    pixels: tf.Tensor
    labels: tf.Tensor
    scale: pixels.Scale = tf.identity

    @property
    def size(self) -> int:
        """The number of examples."""
        return len(self.labels)

    @property
    def memory(self) -> int:
        """The bytes of memory that it takes."""
        return self.size * held.example_bytes(self.pixels.dtype)

    @property
    def images(self) -> tf.Tensor:
        """All images, made anew: float32 [N, 28, 28, 1] in [0, 1]."""
        return self.scale(self.pixels)

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the split once, in order: (float32 [B, 28, 28, 1], int64 [B])."""
        return _finish(self._gather(tf.data.Dataset.range(self.size).batch(batch_size)))

    def epochs(self, batch_size: int, seeds: Sequence[int]) -> tf.data.Dataset:
        """Returns the split once for each seed, shuffled by it, as `batches` does."""

        # Shuffling indices and gathering whole batches costs a fraction of shuffling images.
        def shuffle(seed: tf.Tensor) -> tf.data.Dataset:
            order = _shuffle(tf.range(self.size, dtype=tf.int64), seed, 0)
            return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

        return self._gather(_numbered(seeds).flat_map(_unconverted(shuffle)))

    def _gather(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        return _map(
            indices,
            lambda batch: (
                self.scale(tf.gather(self.pixels, batch)),
                tf.gather(self.labels, batch),
            ),
        )


@dataclass(frozen=True)
class StreamedSplit:
    """A split too large for memory: decoded once, and read from disk in each epoch.

    Attributes:
        files: its examples in order, some in each, as rows of a label and of pixels.
        size: the number of examples.
        shuffled: how many examples are held to shuffle among.
        dtype: what is kept of the images, as of `MemorySplit.pixels`.
        scale: makes images of it.
    """

    files: Sequence[Path]
    size: int
    shuffled: int
    dtype: tf.DType
    scale: pixels.Scale

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the split once, in order: (float32 [B, 28, 28, 1], int64 [B])."""
        rows = self._read(tf.constant([str(file) for file in self.files])).rebatch(batch_size)
        # Of files nobody knows how many rows they have, and Keras would warn that they ended.
        count = tf.data.experimental.assert_cardinality(steps_per_epoch(self, batch_size))
        return _finish(self._unpack(rows).apply(count))

    def epochs(self, batch_size: int, seeds: Sequence[int]) -> tf.data.Dataset:
        """Returns the split once for each seed, shuffled by it, as `batches` does."""
        files = tf.constant([str(file) for file in self.files])

        # Whole files in another order, and then the examples of as many as may be held. The order
        # of a split is a random one already, so that a file is a sample of it.
        def shuffle(seed: tf.Tensor) -> tf.data.Dataset:
            held = self._read(_shuffle(files, seed, 0)).rebatch(self.shuffled).enumerate(1)
            shuffled = held.map(_unconverted(lambda part, rows: _shuffle(rows, seed, part)))
            return shuffled.rebatch(batch_size)

        return self._unpack(_numbered(seeds).flat_map(_unconverted(shuffle)))

    def _read(self, files: tf.Tensor) -> tf.data.Dataset:
        """Reads files, string [F]: rows, uint8 [N, W], for each."""
        width = held.LABEL_BYTES + np.prod(held.SHAPE) * self.dtype.size
        return _map(
            tf.data.Dataset.from_tensor_slices(files),
            lambda file: tf.reshape(tf.io.decode_raw(tf.io.read_file(file), tf.uint8), [-1, width]),
        )

    def _unpack(self, rows: tf.data.Dataset) -> tf.data.Dataset:
        def unpack(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            labels = tf.bitcast(batch[:, : held.LABEL_BYTES], tf.int64)
            kept = tf.reshape(batch[:, held.LABEL_BYTES :], [-1, *held.SHAPE, self.dtype.size])
            kept = tf.bitcast(kept, self.dtype) if self.dtype.size > 1 else kept[..., 0]
            return self.scale(kept), labels

        return _map(rows, unpack)


Split = MemorySplit | StreamedSplit


def load_splits(
    records: Sequence[Records], memory_mb: int, scratch: Path, *, keep: bool = False
) -> list[Split]:
    """Loads each split that fits into what is left of the budget; the others are streamed.

    Either way its examples are in the order of `ordering`, however their files have them. What the
    call before has kept is taken over, where it is the same, and let go.

    Args:
        records: the splits, the most important to hold in memory first.
        memory_mb: the budget for all of them, in megabytes (10⁶ bytes).
        scratch: a directory that keeps what is streamed, as long as it is used.
        keep: whether the next call in this process may take over what is in memory.

    Returns:
        The splits, in the given order.

    Raises:
        ValueError: a split has no examples.
    """
    left, splits = memory_mb * 10**6, []
    kept, to_keep = kept_splits.take_all(), {}
    for one in records:
        identity = one.identify()
        split = kept.pop(identity, None)
        if split is None or split.memory > left:
            # Before the next is loaded.
            del split
            # Batches are made there, also beside a GPU, which may round otherwise.
            with tf.device("CPU"):
                split = _load(one, left, scratch)
        if isinstance(split, MemorySplit):
            left -= split.memory
            to_keep[identity] = split
        splits.append(split)
    if keep:
        kept_splits.keep(to_keep)
    return splits


def _load(records: Records, budget: int, scratch: Path) -> Split:
    """Loads a split into so many bytes, as pixels where the transform graph goes by their value."""
    table = pixels.tabulate(records.transform_output)
    try:
        return _hold(records, table, budget, scratch)
    except _NotByValueError:
        return _hold(records, None, budget, scratch)


def _hold(records: Records, table: tf.Tensor | None, budget: int, scratch: Path) -> Split:
    """Holds a split in so many bytes of memory; a larger one is sorted on disk."""
    dtype = tf.float32 if table is None else tf.uint8
    scale = tf.identity if table is None else pixels.make_scale(table)
    examples, batches = held.Held(dtype), records.read(table)
    for batch in batches:
        examples.append(batch)
        if examples.size * held.example_bytes(dtype) > budget:
            break
    else:
        if not examples.size:
            raise ValueError(f"no examples in {', '.join(records.file_patterns)}")
        return MemorySplit(*examples.sort(), scale)
    given_up = examples.give_up(_READ_BATCH)
    rows = (batch.to_rows() for batch in itertools.chain(given_up, batches))
    directory = Path(tempfile.mkdtemp(dir=scratch))
    files, size = ordering.sort_to_files(rows, directory, _READ_BATCH)
    # As many once more are read meanwhile, and as many again are being shuffled.
    shuffled = max(_READ_BATCH, budget // (3 * held.example_bytes(dtype)))
    return StreamedSplit(files, size, min(size, shuffled), dtype, scale)


def _numbered(seeds: Sequence[int]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(np.array(seeds, np.int64))


def _shuffle(rows: tf.Tensor, seed: tf.Tensor, part: int | tf.Tensor) -> tf.Tensor:
    """Shuffles rows by an epoch's seed and by the number of a part of it."""
    return tf.random.experimental.stateless_shuffle(rows, [seed, part])


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
