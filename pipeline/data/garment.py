"""Pictures of any size as the classifier takes them: square, grey, bright on black.

A picture of that size that is grey already is taken as it is. Any other is

1. turned upright as its camera says, and made grey, by the weights of ITU-R 601,
2. where it is transparent, laid on black or white: on what is unlike the garment, if that
   stands free, else on what its edge is like,
3. inverted if its edge is bright on the average, since photographs of garments are mostly
   taken before something bright, and the background of the dataset is black,
4. scaled to `IMAGE_SIZE` pixels on its longer side, averaged over what falls together, and
   centred on black.

Of an animation the first picture is taken.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from components.model_store.files import open_regular
from pipeline.errors import UserError
from trainer_module import features

_SIZE = (features.IMAGE_SIZE, features.IMAGE_SIZE)
_BRIGHT = 128
_BLACK, _WHITE = 0, 255
_GREY = "L"

_LEAST_CONTRAST = 16
"""A picture whose grey values differ by less shows nothing."""

_MOST_PIXELS = 64_000_000
"""More than a camera of fifty megapixels takes. Of so many, reading takes 0.9 GB and 3 s."""

# Where a PNG has the bits of a sample.
_PNG_DEPTH = 24


@dataclass(frozen=True)
class Garment:
    """A picture as the classifier takes it.

    Attributes:
        pixels: uint8 [IMAGE_SIZE, IMAGE_SIZE].
        blank: whether it shows nothing, so that a class would mean nothing.
    """

    pixels: np.ndarray
    blank: bool


def read_garment(file: Path) -> Garment:
    """Reads a PNG or JPEG as the classifier takes it.

    Args:
        file: the picture.

    Raises:
        UserError: it can't be read, is no PNG or JPEG, or has too many pixels.
    """
    try:
        with open_regular(file) as opened, warnings.catch_warnings():
            # What Pillow warns of is either refused here, or can be seen.
            warnings.simplefilter("ignore")
            picture = _decode(file, opened)
    except FileNotFoundError as error:
        raise UserError(f"{file} is not there: name a PNG or JPEG.") from error
    except Image.DecompressionBombError as error:
        # Of more than Pillow itself opens.
        raise UserError(
            f"{file} has more than {_MOST_PIXELS:,} pixels: scale it down first."
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(f"{file} is neither a PNG nor a JPEG: name one that is.") from error
    except UserError:
        raise
    # A decoder of damaged files raises whatever it stumbles over.
    except Exception as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(
            f"{file} can't be read as a PNG or JPEG ({cause}): name one that can."
        ) from error
    grey = _to_grey(picture)
    as_it_is = grey.size == _SIZE and _is_grey(picture)
    values = np.asarray(grey)
    fitted = values if as_it_is else np.asarray(_fit(grey))
    return Garment(fitted, int(values.max()) - int(values.min()) < _LEAST_CONTRAST)


def _decode(file: Path, opened: BinaryIO) -> Image.Image:
    """Decodes a picture whose header says that it is not too large, and turns it upright."""
    with Image.open(opened, formats=("PNG", "JPEG")) as picture:
        width, height = picture.size
        if width * height > _MOST_PIXELS:
            raise UserError(
                f"{file} has more than {_MOST_PIXELS:,} pixels, {width} × {height}: scale it down "
                "first."
            )
        picture.load()
        if picture.format == "PNG":
            _mend_transparency(picture, opened)
        return ImageOps.exif_transpose(picture)


def _mend_transparency(picture: Image.Image, opened: BinaryIO) -> None:
    """Scales the grey value that is transparent, which Pillow leaves at two and four bits."""
    value = picture.info.get("transparency")
    if picture.mode == _GREY and isinstance(value, int):
        opened.seek(_PNG_DEPTH)
        depth = opened.read(1)[0]
        picture.info["transparency"] = value * 255 // (2**depth - 1)


def _is_grey(picture: Image.Image) -> bool:
    grey = picture.mode in ("1", _GREY) or picture.mode.startswith("I")
    return grey and not picture.has_transparency_data


def _to_grey(picture: Image.Image) -> Image.Image:
    """Makes an opaque picture of grey values from 0 to 255."""
    if picture.mode.startswith("I"):
        samples = np.asarray(picture)
        transparent = picture.info.get("transparency")
        # Sixteen bits, of which the upper eight are what can be seen.
        grey = Image.fromarray((samples >> 8).astype(np.uint8))
        if transparent is None:
            return grey
        opaque = np.where(samples == transparent, 0, 255).astype(np.uint8)
        return _lay_down(grey, Image.fromarray(opaque))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return _lay_down(picture.convert(_GREY), picture.getchannel("A"))
    return picture.convert(_GREY)


def _lay_down(grey: Image.Image, opaque: Image.Image) -> Image.Image:
    """Lays a picture on black or white, whichever lets the garment be seen."""
    values, weights = np.asarray(grey), np.asarray(opaque)
    if _edge(weights).mean() < _BRIGHT:
        ground = _BLACK if _mean(values, weights) >= _BRIGHT else _WHITE
    else:
        ground = _WHITE if _mean(_edge(values), _edge(weights)) >= _BRIGHT else _BLACK
    return Image.composite(grey, Image.new(_GREY, grey.size, ground), opaque)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    # Without a copy in larger numbers, of which a large picture would have many.
    total = np.einsum("i,i->", values.ravel(), weights.ravel(), dtype=np.int64)
    return total / max(weights.sum(dtype=np.int64), 1)


def _fit(grey: Image.Image) -> Image.Image:
    if _edge(np.asarray(grey)).mean() >= _BRIGHT:
        grey = ImageOps.invert(grey)
    scale = features.IMAGE_SIZE / max(grey.size)
    # Of what is very thin, a line stays.
    width, height = (max(1, round(side * scale)) for side in grey.size)
    fitted = Image.new(_GREY, _SIZE, _BLACK)
    corner = round((features.IMAGE_SIZE - width) / 2), round((features.IMAGE_SIZE - height) / 2)
    fitted.paste(grey.resize((width, height), Image.Resampling.BOX), corner)
    return fitted


def _edge(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels of [H, W], in a row; those of the corners count twice."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
