"""TFRecords of labelled images: writing our splits, reading those of TensorFlow Datasets.

An example has `image`, PNG bytes of grey pixels, and `label`, int64: the features of
images in TensorFlow Datasets. TensorFlow is imported when a function needs it.
"""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError
from trainer_module import features

MANIFEST_FILE = "dataset.json"
"""Beside the records: what they hold and how they were made."""

EXAMPLES_PER_SHARD = 15_000

_FIRST_VERSION = Path("span-1", "version-1")


def write_splits(
    directory: Path,
    splits: Mapping[str, LabelledImages],
    manifest: Mapping[str, object],
    elsewhere: str = "with --root",
) -> None:
    """Writes the splits as sharded, gzipped TFRecords, all of them or none.

    The same input gives the same bytes. The files are
    `span-1/version-1/<split>-<shard>-of-<shards>.tfrecord.gz`.

    Args:
        directory: appears with the last step, a rename; it must not exist, or be empty.
        splits: the examples by the split's name.
        manifest: written into `MANIFEST_FILE`, which also gets the examples of each class
            by split.
        elsewhere: how a person names another directory, for the error.

    Raises:
        UserError: the directory can't be written, or the disk is full.
    """
    with _appearing(directory, elsewhere) as temporary:
        (temporary / _FIRST_VERSION).mkdir(parents=True)
        for name, split in splits.items():
            _write_split(temporary / _FIRST_VERSION, name, split)
        counts = {name: count_classes(split.labels) for name, split in splits.items()}
        text = json.dumps({**manifest, "examples": counts}, indent=1)
        (temporary / MANIFEST_FILE).write_text(text, encoding="utf-8")


@contextmanager
def _appearing(directory: Path, elsewhere: str) -> Iterator[Path]:
    """Yields a temporary directory that takes the name on success and vanishes on failure."""
    from tensorflow import errors

    temporary = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        # mkdtemp gives access to its owner alone.
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        temporary.rename(directory)
    except OSError as error:
        raise UserError(
            _cannot_write(directory, error.strerror or str(error), elsewhere)
        ) from error
    except errors.OpError as error:
        raise UserError(_cannot_write(directory, error.message, elsewhere)) from error
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _cannot_write(directory: Path, reason: str, elsewhere: str) -> str:
    return (
        f"The records can't be written to {directory}: {reason}; free some space or mend its "
        f"permissions, or name another place {elsewhere}."
    )


def count_classes(labels: np.ndarray) -> dict[str, int]:
    """Counts int64 labels by the name of their class, none left out."""
    counts = np.bincount(labels, minlength=features.NUM_CLASSES)
    return dict(zip(features.CLASS_NAMES, counts.tolist(), strict=True))


def _write_split(directory: Path, name: str, split: LabelledImages) -> None:
    import tensorflow as tf

    shards = max(1, -(-len(split.labels) // EXAMPLES_PER_SHARD))
    for shard, indices in enumerate(np.array_split(np.arange(len(split.labels)), shards)):
        path = directory / f"{name}-{shard:05d}-of-{shards:05d}.tfrecord.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for index in indices:
                writer.write(to_example(split.images[index], int(split.labels[index])))


def _encode_png(image: np.ndarray) -> bytes:
    # Pillow takes 70 µs an image, TensorFlow twice that or more.
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    return png.getvalue()


def to_example(image: np.ndarray, label: int) -> bytes:
    """Makes a raw example: a serialized `tf.Example` of an image uint8 [H, W] and its label."""
    from tensorflow import train

    png = train.Feature(bytes_list=train.BytesList(value=[_encode_png(image)]))
    label_feature = train.Feature(int64_list=train.Int64List(value=[label]))
    example = train.Example(
        features=train.Features(feature={features.IMAGE: png, features.LABEL: label_feature})
    )
    return example.SerializeToString(deterministic=True)


def read_labelled_images(files: list[Path]) -> LabelledImages:
    """Reads uncompressed TFRecords to the contract above, in the order given.

    Raises:
        UserError: a record is damaged, or is no such example.
    """
    import tensorflow as tf

    from trainer_module.preprocessing import decode_image

    spec = {
        features.IMAGE: tf.io.FixedLenFeature([], tf.string),
        features.LABEL: tf.io.FixedLenFeature([], tf.int64),
    }

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, spec)
        return decode_image(example[features.IMAGE])[..., 0], example[features.LABEL]

    parsed = tf.data.TFRecordDataset([str(file) for file in files]).map(
        parse, num_parallel_calls=tf.data.AUTOTUNE
    )
    try:
        images, numbers = zip(*parsed.as_numpy_iterator(), strict=True)
    except (tf.errors.OpError, ValueError) as error:
        reason = _reason(error) if isinstance(error, tf.errors.OpError) else "they are empty"
        raise UserError(
            f"The records {files[0]} and on can't be read: {reason}; prepare them anew."
        ) from error
    labels = np.array(numbers)
    wrong = np.flatnonzero((labels < 0) | (labels >= features.NUM_CLASSES))
    if wrong.size:
        raise UserError(
            f"The records {files[0]} and on have the label {labels[wrong[0]]} at position "
            f"{wrong[0]}, and labels are 0 to {features.NUM_CLASSES - 1}: prepare them anew."
        )
    return LabelledImages(np.stack(images), labels)


def _reason(error: Exception) -> str:
    """The first sentence of what TensorFlow says, without the node that says it."""
    text = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*", "", str(error).splitlines()[0])
    return text.partition(". ")[0].rstrip(".")


def check_first_example(file: Path) -> None:
    """Checks that a file of TFRecords starts with an example to the contract.

    Args:
        file: TFRecords, gzipped if its name ends in `.gz`.

    Raises:
        UserError: the file holds no record, or the first lacks a feature or has another type.
    """
    import tensorflow as tf

    compression = "GZIP" if file.suffix == ".gz" else ""
    try:
        records = tf.data.TFRecordDataset(str(file), compression).take(1).as_numpy_iterator()
        example = tf.train.Example.FromString(next(records))
    except StopIteration:
        raise UserError(f"{file} holds no record: write the examples into it.") from None
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise UserError(f"{file} holds no tf.Example ({_reason(error)}): write it anew.") from error
    for name, kind in ((features.IMAGE, "bytes_list"), (features.LABEL, "int64_list")):
        found = example.features.feature[name].WhichOneof("kind")
        if found != kind:
            raise UserError(
                f"The first example of {file} has {found or 'nothing'} as {name!r} instead of "
                f"a {kind}: write {features.IMAGE!r} as PNG bytes and {features.LABEL!r} as int64."
            )
