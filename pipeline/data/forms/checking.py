"""What images of every form are held to: square, grey, from 0 to 255, with the label of a class.

Nothing is guessed: no image is scaled, turned, inverted or made grey.
"""

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError
from trainer_module import features

SIZE = (features.IMAGE_SIZE, features.IMAGE_SIZE)
WANTED = f"{features.IMAGE_SIZE}×{features.IMAGE_SIZE} grey pixels"

_BRIGHTEST = 255
_OPAQUE = 255

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.ASCII | re.IGNORECASE)

_QUOTED = 30

Namer = Callable[[int], str]
"""Names the image at an index for a person, such as `Row 7 of mine.csv`."""


def to_pixels(values: np.ndarray, name: Namer) -> np.ndarray:
    """Takes numbers as pixels.

    Args:
        values: [N, ...], of any dtype.
        name: names the N images.

    Returns:
        uint8, of the same shape.

    Raises:
        UserError: one of them is not a whole number from 0 to 255.
    """
    numbers = _to_numbers(values)
    if wrong := _find_wrong(numbers, _BRIGHTEST):
        value = values[wrong]
        fraction = isinstance(value, float | np.floating) and 0 < value < 1
        cure = "multiply them by 255, and round them" if fraction else "mend it"
        raise UserError(
            f"{name(wrong[0])} has {_say(value)} as a pixel instead of a whole number from 0 to "
            f"{_BRIGHTEST}: {cure}."
        )
    return numbers.astype(np.uint8)


def to_labels(values: np.ndarray, name: Namer) -> np.ndarray:
    """Takes numbers as labels.

    Args:
        values: [N], of any dtype.
        name: names the N images.

    Returns:
        int64 [N].

    Raises:
        UserError: one of them is not the label of a class.
    """
    numbers = _to_numbers(values)
    if wrong := _find_wrong(numbers, features.NUM_CLASSES - 1):
        raise UserError(
            f"{name(wrong[0])} has {_say(values[wrong])} as its label instead of a whole number "
            f"from 0 to {features.NUM_CLASSES - 1}: mend it."
        )
    return numbers.astype(np.int64)


def is_number(text: str) -> bool:
    """Tells whether a table's cell is a number."""
    return bool(_NUMBER.fullmatch(text))


def quote(text: str) -> str:
    """Quotes what a file holds; no more than the beginning, since it may be of any length."""
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


def _to_numbers(values: np.ndarray) -> np.ndarray:
    """Makes numbers, NaN of what is none."""
    if values.dtype.kind in "iuf":
        return values
    return np.vectorize(_to_number, otypes=[float])(values)


def _find_wrong(numbers: np.ndarray, top: int) -> tuple[int, ...]:
    """The index of the first that is not a whole number from 0 to `top`; empty if all are."""
    wrong = ~((numbers >= 0) & (numbers <= top) & (numbers == np.floor(numbers)))
    if not wrong.any():
        return ()
    return tuple(int(place) for place in np.unravel_index(np.argmax(wrong), wrong.shape))


def _to_number(value: Any) -> float:  # noqa: ANN401 - whatever a table's cell holds
    # As a text: of a truth value, float would make a number.
    return float(value) if is_number(str(value)) else math.nan


def _say(value: Any) -> str:  # noqa: ANN401 - whatever a table's cell holds
    # As Python has it: NumPy 2 names the type of its own text.
    return quote(str(value)) if isinstance(value, str) else str(value)


def join(parts: Sequence[tuple[np.ndarray, np.ndarray]], file: Path) -> LabelledImages:
    """Joins what was read of a table, part by part.

    Args:
        parts: images uint8 [N, H, W] and labels int64 [N] each.
        file: what they were read from.

    Raises:
        UserError: there is no part.
    """
    if not parts:
        raise UserError(f"{file} has no images: write a row for each, or name another file.")
    images, labels = zip(*parts, strict=True)
    return LabelledImages(np.concatenate(images), np.concatenate(labels))


def drop_equal_channels(images: np.ndarray, name: Namer) -> np.ndarray:
    """Makes images of one channel, or of three that are equal, images without channels.

    Args:
        images: [N, H, W], [N, H, W, 1] or [N, H, W, 3].
        name: names the N images.

    Returns:
        [N, IMAGE_SIZE, IMAGE_SIZE].

    Raises:
        UserError: they have another size, or colours.
    """
    flat = images.ndim == len(SIZE) + 1
    if images.shape[1:3] != SIZE or not (flat or images.shape[3:] in ((1,), (3,))):
        shape = "×".join(map(str, images.shape[1:])) or "no"
        raise UserError(f"{name(0)} has {shape} pixels instead of {WANTED}: convert it first.")
    if flat:
        return images
    grey = images[..., 0]
    coloured = (images != grey[..., np.newaxis]).any(axis=(1, 2, 3))
    if coloured.any():
        raise UserError(_colours(name(int(np.argmax(coloured)))))
    return grey


def read_picture(source: Path | bytes, name: str) -> np.ndarray:
    """Reads a PNG or JPEG.

    Args:
        source: its file, or what that would hold.
        name: names it for a person.

    Returns:
        uint8 [IMAGE_SIZE, IMAGE_SIZE].

    Raises:
        UserError: it can't be read, or has another size, colours, transparency, or more than
            eight bits to a pixel.
    """
    try:
        with warnings.catch_warnings():
            # Of large pictures, which are refused in any case.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=("PNG", "JPEG")) as picture:
                return _to_grey(picture, name)
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is neither a PNG nor a JPEG: convert it first.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{name} can't be read ({say_why(error)}): make it anew.") from error


def _to_grey(picture: Image.Image, name: str) -> np.ndarray:
    if picture.size != SIZE:
        width, height = picture.size
        raise UserError(f"{name} has {width}×{height} pixels instead of {WANTED}: scale it first.")
    if picture.mode.startswith("I"):
        raise UserError(f"{name} has 16 bits to a pixel instead of 8: convert it first.")
    if picture.mode in ("1", "L") and not picture.has_transparency_data:
        return np.asarray(picture.convert("L"))
    channels = np.asarray(picture.convert("RGBA"))
    if (channels[..., 3] != _OPAQUE).any():
        raise UserError(f"{name} is transparent: lay it on a background first.")
    grey = channels[..., 0]
    if (channels[..., :3] != grey[..., np.newaxis]).any():
        raise UserError(_colours(name))
    return grey


def _colours(name: str) -> str:
    return f"{name} has colours instead of {WANTED}: make it grey first."


def say_why(error: Exception) -> str:
    """A clause for a person, of what a library says of a file that it can't read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error).strip().splitlines() or [type(error).__name__]
    return said[0].partition(". ")[0].rstrip(".:")
