"""TFRecords of labelled images: writing our splits, reading those of TensorFlow Datasets.

TensorFlow is imported when a function needs it.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydantic

from pipeline.data import writing
from pipeline.data.idx import LabelledImages
from pipeline.data.shards import find_lost_shard
from pipeline.errors import UserError
from pipeline.fingerprint import sha256
from trainer_module import features

MANIFEST_FILE = "dataset.json"
"""Beside the records: what they hold and how they were made."""

_FIRST_VERSION = Path("span-1", "version-1")

_ELSEWHERE = "with --root"


class _Manifest(pydantic.BaseModel):
    """What is read back of the manifest; earlier versions did not write the sums."""

    examples: dict[str, dict[str, pydantic.NonNegativeInt]]
    sha256: dict[str, str] | None = None


def write_splits(
    directory: Path,
    splits: Mapping[str, LabelledImages],
    manifest: Mapping[str, object],
    elsewhere: str = _ELSEWHERE,
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, int]]:
    """Writes the splits as sharded, gzipped TFRecords, all of them or none.

    The same input gives the same bytes. The files are
    `span-1/version-1/<split>-<shard>-of-<shards>.tfrecord.gz`.

    Args:
        directory: appears with the last step, a rename; it must not exist, or be empty.
        splits: the examples by the split's name.
        manifest: written into `MANIFEST_FILE`, which also gets the examples of each class
            by split, and the SHA-256 of each file.
        elsewhere: how a person names another directory, for the error.
        meanwhile: called while other processes write, if they do.

    Returns:
        Examples by split and class name.

    Raises:
        UserError: the directory can't be written, or the disk is full.
        LostProcessError: a process died that wrote.
    """
    with appearing(directory, elsewhere) as temporary:
        (temporary / _FIRST_VERSION).mkdir(parents=True)
        writing.write(writing.cut(temporary / _FIRST_VERSION, splits), meanwhile)
        counts = {name: count_classes(split.labels) for name, split in splits.items()}
        sums = {file.name: sha256(file) for file in sorted(_find_shards(temporary))}
        text = json.dumps({**manifest, "examples": counts, "sha256": sums}, indent=1)
        (temporary / MANIFEST_FILE).write_text(text, encoding="utf-8")
    return counts


def read_counts(directory: Path, splits: Iterable[str]) -> dict[str, dict[str, int]] | None:
    """Reads how many examples were written, by split and class name.

    Args:
        directory: what `write_splits` wrote.
        splits: their names.

    Returns:
        The counts; None where a file is not there, or not as it was written.
    """
    try:
        manifest = _Manifest.model_validate_json((directory / MANIFEST_FILE).read_bytes())
        files = sorted(_find_shards(directory))
        sums = manifest.sha256 and {file.name: sha256(file) for file in files}
    except (OSError, pydantic.ValidationError):
        return None
    # What an earlier version wrote has no sums: the names tell how many files there were.
    names = {file.name.partition("-")[0] for file in files}
    whole = names == set(splits) == set(manifest.examples) and not find_lost_shard(files)
    whole &= all(set(counts) == set(features.CLASS_NAMES) for counts in manifest.examples.values())
    return manifest.examples if whole and sums == manifest.sha256 else None


def remove(directory: Path) -> None:
    """Removes what `write_splits` wrote.

    Raises:
        UserError: it can't be removed.
    """
    try:
        shutil.rmtree(directory)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(_cannot_write(directory, reason, _ELSEWHERE)) from error


def _find_shards(directory: Path) -> Iterator[Path]:
    return (directory / _FIRST_VERSION).glob("*-of-*")


def check_empty(directory: Path) -> None:
    """Checks that a directory which a person named is free to get records.

    Raises:
        UserError: there is something in it, or it can't be looked at.
    """
    try:
        if any(directory.iterdir()):
            raise UserError(
                f"{directory} is not empty: empty it, or name another directory for the records."
            )
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(
            f"{directory} can't get the records ({error.strerror}): name another directory."
        ) from error


@contextmanager
def appearing(directory: Path, elsewhere: str = _ELSEWHERE) -> Iterator[Path]:
    """Yields a temporary directory that takes the name on success and vanishes on failure.

    Args:
        directory: that name; it must not exist, or be empty.
        elsewhere: how a person names another directory, for the error.

    Raises:
        UserError: the directory can't be written, or the disk is full.
    """
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


def count_classes(labels: np.ndarray | Sequence[int]) -> dict[str, int]:
    """Counts int64 labels by the name of their class, none left out."""
    counts = np.bincount(labels, minlength=features.NUM_CLASSES)
    return dict(zip(features.CLASS_NAMES, counts.tolist(), strict=True))


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
