"""What the test split is cut by besides its labels. Free of TensorFlow."""

import itertools

import numpy as np

from trainer_module import features

INK = "ink"
"""How much of the image is covered: the fraction of pixels that are not black."""

BRIGHTNESS = "brightness"
"""The mean of the pixels, in 0 to 1."""

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
        images: uint8 [N, height, width].
        labels: int64 [N].

    Returns:
        Names of `PARTS` [N], by what cuts the split.
    """
    measures = {INK: (images > 0).mean((1, 2)), BRIGHTNESS: images.mean((1, 2)) / 255}
    numbers = {name: np.digitize(measures[name], bounds) for name, bounds in _BOUNDS.items()}
    if GROUP in PARTS:
        confused = [features.CLASS_NAMES.index(name) for name in features.DATASET.confused]
        numbers[GROUP] = np.where(np.isin(labels, confused), 0, 1)
    return {name: np.array(PARTS[name])[number] for name, number in numbers.items()}
