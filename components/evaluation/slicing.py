"""What the test split is cut by besides its labels. Free of TensorFlow."""

import itertools

import numpy as np

from trainer_module import features

INK = "ink"
"""How much of the image the garment covers: the fraction of pixels that are not black."""

BRIGHTNESS = "brightness"
"""The mean of the pixels, in 0 to 1."""

GROUP = "group"
"""Whether the class is one of those that are mostly confused with one another."""

# Near the quartiles of Fashion-MNIST, so that each part has more than a thousand test images.
_BOUNDS = {INK: (0.35, 0.5, 0.65), BRIGHTNESS: (0.2, 0.3, 0.4)}

# Of the mistakes on each of them, seven in ten and more are for another one of them.
_CONFUSED = ("T-shirt/top", "Pullover", "Coat", "Shirt")
_GROUP_NAMES = ("easily confused", "others")


def _name_parts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    percent = [f"{bound:.0%}".replace("%", " %") for bound in bounds]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(percent)]
    return (f"under {percent[0]}", *between, f"{percent[-1]} and over")


PARTS: dict[str, tuple[str, ...]] = {
    **{name: _name_parts(bounds) for name, bounds in _BOUNDS.items()},
    GROUP: _GROUP_NAMES,
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
    confused = np.isin(labels, [features.CLASS_NAMES.index(name) for name in _CONFUSED])
    numbers = {name: np.digitize(measures[name], bounds) for name, bounds in _BOUNDS.items()}
    numbers[GROUP] = np.where(confused, 0, 1)
    return {name: np.array(PARTS[name])[number] for name, number in numbers.items()}
