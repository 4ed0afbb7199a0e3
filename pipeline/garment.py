"""Pictures of any size as Fashion-MNIST has them: 28×28, grey, bright on black.

A picture that is 28×28 and grey already is taken as it is. Any other is

1. turned upright as its camera says, with black where it is transparent,
2. made grey, by the weights of ITU-R 601,
3. inverted if its edge is bright on the average, since photographs of garments are mostly
   taken before something bright, and Fashion-MNIST's background is black,
4. scaled to 28 pixels on its longer side, averaged over what falls together, and centred on
   black.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.errors import UserError
from trainer_module import features

_BRIGHT = 128
_GREY = "L"


def read_garment(file: Path) -> np.ndarray:
    """Reads a PNG or JPEG as the classifier takes it.

    Args:
        file: the picture.

    Returns:
        uint8 [28, 28].

    Raises:
        UserError: it can't be read, or is no PNG or JPEG.
    """
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as picture:
            picture.load()
            return np.asarray(_fit(picture))
    except FileNotFoundError as error:
        raise UserError(f"{file} is not there: name a PNG or JPEG.") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{file} has too many pixels: scale it down first.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file} can't be read as a PNG or JPEG: name one that can.") from error


def _fit(picture: Image.Image) -> Image.Image:
    size = (features.IMAGE_SIZE, features.IMAGE_SIZE)
    if picture.mode == _GREY and picture.size == size:
        return picture
    grey = _to_grey(ImageOps.exif_transpose(picture))
    if _edge(np.asarray(grey)).mean() >= _BRIGHT:
        grey = ImageOps.invert(grey)
    return ImageOps.pad(grey, size, Image.Resampling.BOX, color=0)


def _to_grey(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    if picture.mode.startswith("I"):
        # Sixteen bits, of which the upper eight are what can be seen.
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert(_GREY)


def _edge(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels of uint8 [H, W], in a row; those of the corners count twice."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
