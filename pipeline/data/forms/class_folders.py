"""A folder for each class, with a PNG or JPEG for each image."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.data.forms import checking, naming
from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError

_PICTURES = (".png", ".jpg", ".jpeg")


def read(directory: Path) -> Mapping[str, LabelledImages]:
    """Reads `<class>/*.png`, or `<split>/<class>/*.png`.

    Returns:
        The images by split; those that are undivided as `train`.

    Raises:
        UserError: a folder is named after no class, or is empty; a file is no image as wanted;
            or something can't be read.
    """
    try:
        folders = _list(directory)
        splits = {folder: naming.find_split(folder.name) for folder in folders if folder.is_dir()}
        if not any(splits.values()):
            return {"train": _read_classes(directory)}
        found: dict[str, LabelledImages] = {}
        for folder, split in splits.items():
            if split is None or split in found:
                raise UserError(
                    f"{folder} is no further split beside {', '.join(found) or 'the others'}: "
                    "take it out of there, or rename it."
                )
            found[split] = _read_classes(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or directory} can't be read ({checking.say_why(error)}): mend its "
            "permissions."
        ) from error
    return found


def _list(directory: Path) -> list[Path]:
    """What is in it, sorted by name, but for what is hidden."""
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _read_classes(directory: Path) -> LabelledImages:
    images: list[np.ndarray] = []
    labels: list[int] = []
    for folder in _list(directory):
        if not folder.is_dir():
            if folder.suffix.lower() in _PICTURES:
                raise UserError(f"{folder} is in no folder of a class: put it into one.")
            continue
        label = naming.find_class(folder)
        files = _list(folder)
        if not files:
            raise UserError(f"{folder} has no images: put some into it, or take it away.")
        images += [_read_file(file) for file in files]
        labels += [label] * len(files)
    if not images:
        raise UserError(f"{directory} has no folders of classes: make one for each class.")
    return LabelledImages(np.stack(images), np.array(labels, np.int64))


def _read_file(file: Path) -> np.ndarray:
    if file.suffix.lower() not in _PICTURES:
        raise UserError(f"{file} is neither a PNG nor a JPEG: convert it first, or take it away.")
    return checking.read_picture(file, str(file))
