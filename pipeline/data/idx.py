"""The four official files of the dataset: how to read and verify them.

The format is IDX, gzipped, as defined at http://yann.lecun.com/exdb/mnist: a big-endian
magic number, a big-endian count for each dimension, then the bytes.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.model_store.files import open_regular
from pipeline.errors import UserError, unreadable
from pipeline.fingerprint import sha256
from trainer_module import features


@dataclass(frozen=True)
class LabelledImages:
    """Images uint8 [N, IMAGE_SIZE, IMAGE_SIZE] with their labels int64 [N]."""

    images: np.ndarray
    labels: np.ndarray


OFFICIAL_FILES = features.DATASET.official.files if features.DATASET.official else ()
"""Images and labels of the training set, then of the test set; empty if there are none."""

_MOST_BYTES = 1 << 30
"""In an unpacked file: twenty times what the largest official one has."""

_WAY_OUT = "fetch it anew, or remove it to have it downloaded"


def read_official(directory: Path) -> tuple[LabelledImages, LabelledImages]:
    """Reads and verifies the official training and test set.

    Args:
        directory: holds the four files.

    Returns:
        The training set and the test set.

    Raises:
        UserError: a file is missing, unreadable, damaged or not the official one.
    """
    try:
        missing = [file.name for file in OFFICIAL_FILES if not (directory / file.name).exists()]
        if missing:
            raise UserError(
                f"{directory} lacks {', '.join(missing)}: put the official files of "
                f"{features.DATASET.title} there, or name another directory with --data-dir."
            )
        train, test = (
            _read_pair(directory / images.name, directory / labels.name)
            for images, labels in (OFFICIAL_FILES[:2], OFFICIAL_FILES[2:])
        )
        # After reading, because what is wrong inside says more than a checksum.
        for file in OFFICIAL_FILES:
            _check_sha256(directory / file.name, file.sha256)
    except OSError as error:
        raise unreadable(directory, error) from error
    return train, test


def _check_sha256(path: Path, expected: str) -> None:
    actual = sha256(path)
    if actual != expected:
        raise UserError(
            f"{path} is not the official file, its SHA-256 is {actual} instead of {expected}: "
            f"{_WAY_OUT}."
        )


def _read_pair(images_path: Path, labels_path: Path) -> LabelledImages:
    images = read_idx(images_path, dimensions=3)
    labels = read_idx(labels_path, dimensions=1)
    size = (features.IMAGE_SIZE, features.IMAGE_SIZE)
    if images.shape[1:] != size:
        raise UserError(
            f"{images_path} holds images of {images.shape[1]}×{images.shape[2]} pixels instead of "
            f"{size[0]}×{size[1]}: {_WAY_OUT}."
        )
    if len(images) != len(labels):
        raise UserError(
            f"{images_path} holds {len(images)} images but {labels_path} holds {len(labels)} "
            "labels: fetch both anew."
        )
    if labels.size and labels.max() >= features.NUM_CLASSES:
        where = int(np.argmax(labels >= features.NUM_CLASSES))
        raise UserError(
            f"{labels_path} has the label {labels[where]} at position {where}, and labels are 0 "
            f"to {features.NUM_CLASSES - 1}: {_WAY_OUT}."
        )
    return LabelledImages(images, labels.astype(np.int64))


def read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """Reads one gzipped IDX file of unsigned bytes.

    Args:
        path: the file.
        dimensions: how many the array has.

    Returns:
        uint8, of the shape that the file states.

    Raises:
        UserError: the file is no gzip, is cut off, unpacks to more than a gigabyte, or has another
            magic number or length.
        OSError: the file can't be read, or is a pipe or a device.
    """
    try:
        with open_regular(path) as packed, gzip.open(packed) as file:
            content = file.read(_MOST_BYTES + 1)
    except gzip.BadGzipFile as error:
        raise UserError(f"{path} is not an intact gzip file ({error}): {_WAY_OUT}.") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"{path} is cut off or damaged ({error}): {_WAY_OUT}.") from error
    if len(content) > _MOST_BYTES:
        raise UserError(f"{path} unpacks to more than {_MOST_BYTES:,} bytes: {_WAY_OUT}.")
    header = struct.Struct(f">{1 + dimensions}I")
    # 0x08 stands for unsigned bytes, the last byte for the number of dimensions.
    magic = 0x0800 + dimensions
    if len(content) < header.size or header.unpack_from(content)[0] != magic:
        raise UserError(
            f"{path} starts with {content[:4].hex() or 'nothing'} instead of the magic number "
            f"{magic:08x}: {_WAY_OUT}."
        )
    shape = header.unpack_from(content)[1:]
    if len(content) - header.size != math.prod(shape):
        raise UserError(
            f"{path} states {'×'.join(map(str, shape))} bytes but holds "
            f"{len(content) - header.size}: {_WAY_OUT}."
        )
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)
