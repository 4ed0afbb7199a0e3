"""What people call splits and classes in the names of files and folders."""

import re
from pathlib import Path

from pipeline.errors import UserError
from trainer_module import features

_SPLITS = {
    "train": "train",
    "eval": "eval",
    "val": "eval",
    "valid": "eval",
    "validation": "eval",
    "test": "test",
}


def find_split(name: str) -> str | None:
    """Finds the split that a name such as `fashion-mnist_train.csv` has as one of its words.

    Returns:
        One of `SPLITS`; None if the name has none of them, or several.
    """
    found = {_SPLITS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def find_class(folder: Path) -> int:
    """Finds the label that a folder's name stands for.

    Of a name count letters and digits, small or capital: `ankle_boot` is Ankle boot. Of names that
    are joined by a slash each may stand alone, unless another class has it too. A label itself
    stands for its class as well.

    Raises:
        UserError: it stands for none.
    """
    label = _labels().get(_simplify(folder.name))
    if label is None:
        raise UserError(
            f"{folder} is named after no class: name it after one of "
            f"{', '.join(features.CLASS_NAMES)} (what is no letter or digit does not count), or "
            f"0 to {features.NUM_CLASSES - 1}."
        )
    return label


def _labels() -> dict[str, int]:
    parts = [
        (_simplify(part), label)
        for label, name in enumerate(features.CLASS_NAMES)
        for part in name.split("/")
    ]
    words = [word for word, _ in parts]
    return {
        **{str(label): label for label in range(features.NUM_CLASSES)},
        **{word: label for word, label in parts if words.count(word) == 1},
        # Last, as a whole name goes before the part of another one.
        **{_simplify(name): label for label, name in enumerate(features.CLASS_NAMES)},
    }


def _simplify(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
