"""What the test split is cut by besides its labels. Free of TensorFlow."""

import itertools

import numpy as np

from components.image_measures import BRIGHTNESS, INK, measure
from trainer_module import features

GROUP = "group"
"""Whether the class is one of those that are mostly confused with one another."""

_BOUNDS = {INK: features.DATASET.ink_bounds, BRIGHTNESS: features.DATASET.brightness_bounds}

_GROUP_NAMES = ("easily confused", "others")


def _name_parts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    percent = [f"{bound:.0%}".replace("%", " %") for bound in bounds]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(percent)]
    return (f"under {percent[0]}", *between, f"{percent[-1]} and over")


PARTS: dict[str, tuple[str, ...]] = {
    **{name: _name_parts(bounds) for name, bounds in _BOUNDS.items()},
    **({GROUP: _GROUP_NAMES} if features.DATASET.confused else {}),
}
"""The names of the parts, in order, by what cuts the split into them."""


def assign_parts(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Tells for each image which part it belongs to.

    Args:
        images: uint8 [N, 28, 28].
        labels: int64 [N].

    Returns:
        Names of `PARTS` [N], by what cuts the split.
    """
    measures = measure(images)
    numbers = {name: np.digitize(measures[name], bounds) for name, bounds in _BOUNDS.items()}
    if GROUP in PARTS:
        confused = [features.CLASS_NAMES.index(name) for name in features.DATASET.confused]
        numbers[GROUP] = np.where(np.isin(labels, confused), 0, 1)
    return {name: np.array(PARTS[name])[number] for name, number in numbers.items()}
