"""The Trainer's input: each split is decoded and transformed once, then stays in memory."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

from trainer_module import features

_TRANSFORM_BATCH = 1024
"""Examples that pass through the transform graph at a time."""


class Split(NamedTuple):
    """One split, transformed.

    Attributes:
        images: float32 [N, 28, 28, 1] in [0, 1].
        labels: int64 [N].
    """

    images: np.ndarray
    labels: np.ndarray


def load_split(
    file_patterns: Sequence[str], data_accessor, transform_output: tft.TFTransformOutput
) -> Split:
    """Reads one split and applies the transform graph to it.

    Args:
        file_patterns: the split's files, as `FnArgs.train_files` gives them.
        data_accessor: `FnArgs.data_accessor`, which knows how the files are written.
        transform_output: what Transform exported.

    Returns:
        The whole split; 3 KB of memory an example.

    Raises:
        ValueError: the split has no examples.
    """
    raw = data_accessor.tf_dataset_factory(
        file_patterns,
        TensorFlowDatasetOptions(
            batch_size=_TRANSFORM_BATCH, num_epochs=1, shuffle=False, drop_final_batch=False
        ),
        transform_output.raw_metadata.schema,
    )
    transformed = raw.map(
        transform_output.transform_features_layer(), num_parallel_calls=tf.data.AUTOTUNE
    )
    batches = list(transformed.as_numpy_iterator())
    if not batches:
        raise ValueError(f"no examples in {', '.join(file_patterns)}")
    return Split(
        images=np.concatenate([batch[features.IMAGE] for batch in batches]),
        labels=np.concatenate([batch[features.LABEL] for batch in batches]),
    )


def to_batches(
    split: Split, batch_size: int, *, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    """Batches a split for `Model.fit` or `Model.evaluate`.

    Args:
        split: the examples.
        batch_size: examples in a batch; the last batch may be smaller.
        shuffle_seed: shuffles anew in each epoch, starting from this seed; None keeps
            the order.

    Returns:
        A dataset of (float32 [B, 28, 28, 1], int64 [B]).
    """
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    # Shuffling indices and gathering whole batches costs a fraction of shuffling images.
    indices = tf.data.Dataset.range(len(split.labels))
    if shuffle_seed is not None:
        indices = indices.shuffle(len(split.labels), seed=shuffle_seed)
    options = tf.data.Options()
    # With it, TensorFlow 2.16 idles for up to nine seconds between two epochs.
    options.autotune.enabled = False
    return (
        indices.batch(batch_size)
        .map(
            lambda batch: (tf.gather(images, batch), tf.gather(labels, batch)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )
