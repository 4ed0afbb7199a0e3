"""Generated images of tellable classes, for where the dataset can't be had."""

import math

import numpy as np
from PIL import Image, ImageDraw

from trainer_module import features

_SCALE = 4
"""Drawn larger by this factor and then reduced, for smooth edges."""

# Outlines on the unit square, (x, y) with y downwards.
_OUTLINES = {
    # Short, wide sleeves.
    "T-shirt/top": [
        (0.1, 0.2), (0.35, 0.1), (0.65, 0.1), (0.9, 0.2), (0.85, 0.4), (0.7, 0.37), (0.7, 0.9),
        (0.3, 0.9), (0.3, 0.37), (0.15, 0.4)
    ],
    # Two legs.
    "Trouser": [
        (0.32, 0.05), (0.68, 0.05), (0.74, 0.95), (0.56, 0.95), (0.5, 0.35), (0.44, 0.95),
        (0.26, 0.95)
    ],
    # Sleeves as long as the body.
    "Pullover": [
        (0.3, 0.1), (0.7, 0.1), (0.95, 0.85), (0.8, 0.9), (0.7, 0.5), (0.7, 0.9), (0.3, 0.9),
        (0.3, 0.5), (0.2, 0.9), (0.05, 0.85)
    ],
    # Narrow above, wide below.
    "Dress": [
        (0.4, 0.03), (0.6, 0.03), (0.57, 0.4), (0.75, 0.97), (0.25, 0.97), (0.43, 0.4)
    ],
    # A pullover's sleeves, and open in front from the neck down.
    "Coat": [
        (0.3, 0.05), (0.47, 0.12), (0.44, 0.97), (0.28, 0.97), (0.28, 0.45), (0.18, 0.85),
        (0.05, 0.8), (0.15, 0.15), (0.3, 0.05), (0.7, 0.05), (0.85, 0.15), (0.95, 0.8),
        (0.82, 0.85), (0.72, 0.45), (0.72, 0.97), (0.56, 0.97), (0.53, 0.12), (0.7, 0.05)
    ],
    # A thin wedge.
    "Sandal": [
        (0.05, 0.75), (0.45, 0.68), (0.9, 0.4), (0.95, 0.45), (0.9, 0.75), (0.5, 0.8),
        (0.05, 0.82)
    ],
    # Half-long sleeves and a notch at the neck.
    "Shirt": [
        (0.12, 0.2), (0.38, 0.05), (0.5, 0.3), (0.62, 0.05), (0.88, 0.2), (0.92, 0.62),
        (0.76, 0.64), (0.7, 0.35), (0.7, 0.97), (0.3, 0.97), (0.3, 0.35), (0.24, 0.64),
        (0.08, 0.62)
    ],
    # Low and long.
    "Sneaker": [
        (0.05, 0.6), (0.4, 0.5), (0.6, 0.3), (0.92, 0.3), (0.95, 0.7), (0.05, 0.72)
    ],
    # A box below a handle.
    "Bag": [
        (0.08, 0.4), (0.3, 0.4), (0.35, 0.15), (0.65, 0.15), (0.7, 0.4), (0.92, 0.4), (0.92, 0.9),
        (0.08, 0.9), (0.08, 0.42), (0.62, 0.42), (0.58, 0.23), (0.42, 0.23), (0.38, 0.42),
        (0.08, 0.42)
    ],
    # A high shaft on a long foot.
    "Ankle boot": [
        (0.5, 0.05), (0.92, 0.05), (0.92, 0.95), (0.05, 0.95), (0.08, 0.72), (0.5, 0.58)
    ],
}  # fmt: skip


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images, as many of each class as of any other.

    Args:
        count: how many; the classes take turns.
        seed: of position, size, brightness and noise.

    Returns:
        Images uint8 [count, IMAGE_SIZE, IMAGE_SIZE] and labels int64 [count].
    """
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % features.NUM_CLASSES
    images = np.stack([_draw_one(label, random) for label in labels.tolist()])
    return images, labels


def _draw_one(label: int, random: np.random.Generator) -> np.ndarray:
    side = features.IMAGE_SIZE * _SCALE
    size = random.uniform(0.75, 1.0, 2)
    offset = random.uniform(0, 1, 2) * (1 - size)
    outline = (np.array(_outline(label)) * size + offset) * side
    canvas = Image.new("L", (side, side))
    brightness = int(random.integers(120, 256))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in outline], fill=brightness)
    reduced = canvas.resize((features.IMAGE_SIZE, features.IMAGE_SIZE), Image.Resampling.BOX)
    noise = random.normal(0, 8, reduced.size)
    return np.clip(np.asarray(reduced) + noise, 0, 255).astype(np.uint8)


def _outline(label: int) -> list[tuple[float, float]]:
    """A class that nobody has drawn gets a star, with one point more than the class before."""
    drawn = _OUTLINES.get(features.CLASS_NAMES[label])
    if drawn:
        return drawn
    corners = 2 * (label + 3)
    angles = np.arange(corners) * 2 * math.pi / corners
    radii = np.where(np.arange(corners) % 2, 0.2, 0.5)
    return list(zip(0.5 + radii * np.sin(angles), 0.5 - radii * np.cos(angles), strict=True))
