"""The four official files of the dataset: how to read and verify them.

The format is IDX, gzipped or unpacked, as defined at http://yann.lecun.com/exdb/mnist: a big-endian
magic number, a big-endian count for each dimension, then the bytes.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from components.model_store.files import open_regular
from pipeline.errors import UserError, unreadable
from pipeline.fingerprint import sha256
from trainer_module import features
from trainer_module.facts import OfficialFile


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
        directory: holds the four files, each gzipped or unpacked.

    Returns:
        The training set and the test set.

    Raises:
        UserError: a file is missing, unreadable, damaged or not the official one.
    """
    try:
        found = {file.name: find_official(directory, file) for file in OFFICIAL_FILES}
        missing = [name for name, path in found.items() if not path]
        if missing:
            raise UserError(
                f"{directory} lacks {', '.join(missing)}: put the official files of "
                f"{features.DATASET.title} there, or name another directory with --data-dir."
            )
        paths = [path for path in found.values() if path]
        train, test = _read_pair(*paths[:2]), _read_pair(*paths[2:])
        # After reading, because what is wrong inside says more than a checksum.
        for file, path in zip(OFFICIAL_FILES, paths, strict=True):
            _check_sha256(path, file)
    except OSError as error:
        raise unreadable(directory, error) from error
    return train, test


def find_official(directory: Path, file: OfficialFile) -> Path | None:
    """Finds an official file in a directory: as it is published, or else unpacked.

    Raises:
        OSError: the directory can't be read.
    """
    published = directory / file.name
    places = (published, published.with_suffix(""))
    return next((place for place in places if place.exists()), None)


def _is_gzipped(path: Path) -> bool:
    return path.suffix == ".gz"


def is_official(path: Path, file: OfficialFile) -> bool:
    """Whether a file's name and bytes are those of an official one, gzipped or unpacked.

    Raises:
        OSError: it can't be read.
    """
    published = PurePath(file.name)
    return path.name in (published.name, published.stem) and sha256(path) == _sum_of(path, file)


def _sum_of(path: Path, file: OfficialFile) -> str:
    return file.sha256 if _is_gzipped(path) else file.content_sha256


def _check_sha256(path: Path, file: OfficialFile) -> None:
    actual, expected = sha256(path), _sum_of(path, file)
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
    """Reads one IDX file of unsigned bytes.

    Args:
        path: the file, gzipped if its name ends in `.gz`.
        dimensions: how many the array has.

    Returns:
        uint8, of the shape that the file states.

    Raises:
        UserError: the file is not gzipped, is cut off, unpacks to more than a gigabyte, or has
            another magic number or length.
        OSError: the file can't be read, or is a pipe or a device.
    """
    try:
        with open_regular(path) as stream:
            unpacked = gzip.GzipFile(fileobj=stream) if _is_gzipped(path) else stream
            content = unpacked.read(_MOST_BYTES + 1)
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
