"""NumPy's npz as Keras ships its datasets: arrays of images and labels, by name."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.data.forms import checking
from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError

SUFFIXES = (".npz",)

_ARRAYS = {
    "train": ("x_train", "y_train"),
    "eval": ("x_val", "y_val"),
    "test": ("x_test", "y_test"),
}
_UNDIVIDED = {"train": ("images", "labels")}


def read(file: Path) -> Mapping[str, LabelledImages]:
    """Reads `x_train` and `y_train`, and of `val` and `test` what there is; or `images`, `labels`.

    Args:
        file: its images are [N, IMAGE_SIZE, IMAGE_SIZE], or have one channel, or three that are
            equal; its labels are [N] or [N, 1].

    Returns:
        The images by split; those that are undivided as `train`.

    Raises:
        UserError: an array is missing, or has another shape or other numbers; or the file can't
            be read.
    """
    try:
        opened = np.load(file, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise UserError(f"{file} holds a single array and not several by name: write an npz.")
        with opened as arrays:
            names = _find_names(file, set(arrays.files))
            return {split: _take(arrays, *pair, file) for split, pair in names.items()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{file} can't be read as npz ({checking.say_why(error)}): write it anew."
        ) from error


def _find_names(file: Path, found: set[str]) -> dict[str, tuple[str, str]]:
    for names in (_ARRAYS, _UNDIVIDED):
        there = {split: pair for split, pair in names.items() if found & {*pair}}
        if "train" in there:
            missing = sorted({name for pair in there.values() for name in pair} - found)
            if missing:
                raise UserError(f"{file} lacks the array {missing[0]}: write it anew.")
            return there
    wanted = " or ".join(f"{images} and {labels}" for images, labels in _pairs_to_train_on())
    raise UserError(
        f"{file} has {', '.join(sorted(found)) or 'no arrays'} instead of {wanted}: rename them."
    )


def _pairs_to_train_on() -> list[tuple[str, str]]:
    return [_ARRAYS["train"], _UNDIVIDED["train"]]


def _take(arrays: Mapping[str, np.ndarray], x: str, y: str, file: Path) -> LabelledImages:
    images, labels = arrays[x], arrays[y]
    if labels.ndim > 1 and labels.shape[1:] == (1,):
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != (len(images) if images.ndim else -1):
        raise UserError(
            f"{file} has {x} of the shape {images.shape} and {y} of the shape {labels.shape} "
            "instead of as many labels as images: write it anew."
        )
    if not len(labels):
        raise UserError(f"{file} has no images in {x}: write it anew, or name another file.")
    grey = checking.drop_equal_channels(images, lambda index: f"{x}[{index}] of {file}")
    return LabelledImages(
        checking.to_pixels(grey, lambda index: f"{x}[{index}] of {file}"),
        checking.to_labels(labels, lambda index: f"{y}[{index}] of {file}"),
    )
