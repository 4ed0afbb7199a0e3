"""What is measured on an image: how much of it is covered, and how bright. Free of TensorFlow."""

from collections.abc import Mapping

import numpy as np

from trainer_module import features

INK = "ink"
"""How much of the image is covered: the fraction of pixels that are not black."""

BRIGHTNESS = "brightness"
"""The mean of the pixels, in 0 to 1."""

_PIXELS = features.IMAGE_SIZE**2
_WHITE = np.iinfo(np.uint8).max

UNITS: Mapping[str, int] = {INK: _PIXELS, BRIGHTNESS: _PIXELS * _WHITE}
"""What `count` counts at most, of a white image, by measure."""


def count(images: np.ndarray) -> dict[str, np.ndarray]:
    """Measures in whole units, so that sums of many images are exact in any order.

    Args:
        images: uint8 [N, 28, 28].

    Returns:
        int64 [N] by measure, from 0 to `UNITS`.
    """
    flat = images.reshape(len(images), _PIXELS)
    return {
        INK: np.count_nonzero(flat, axis=1).astype(np.int64),
        BRIGHTNESS: flat.sum(axis=1, dtype=np.int64),
    }


def measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """Measures as fractions.

    Args:
        images: uint8 [N, 28, 28].

    Returns:
        float64 [N] in 0 to 1, by measure.
    """
    return {name: counts / UNITS[name] for name, counts in count(images).items()}
