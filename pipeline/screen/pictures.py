"""What the model saw of a picture: drawn on the screen, or written as a PNG."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.text import Text

from pipeline.errors import UserError
from trainer_module import features

_SHADES = " .:-=+*#%@"


def draw(console: Console, pixels: np.ndarray) -> None:
    """Draws a picture, two rows a line: in grey, or in characters where there are no colours.

    Args:
        console: where to.
        pixels: uint8 [28, 28].
    """
    paint = _paint if console.color_system else _shade
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        console.print(paint(upper, lower), highlight=False, soft_wrap=True)


def _paint(upper: Sequence[int], lower: Sequence[int]) -> Text:
    line = Text()
    for above, below in zip(upper, lower, strict=True):
        line.append("▀", f"rgb({above},{above},{above}) on rgb({below},{below},{below})")
    return line


def _shade(upper: Sequence[int], lower: Sequence[int]) -> Text:
    means = ((above + below) // 2 for above, below in zip(upper, lower, strict=True))
    return Text("".join(_SHADES[mean * len(_SHADES) // 256] for mean in means).rstrip())


def save(directory: Path, files: Sequence[Path], pictures: Sequence[np.ndarray]) -> None:
    """Writes each picture as a PNG, under a name like that of its file.

    Args:
        directory: made if need be.
        files: what the pictures were read from.
        pictures: uint8 [28, 28] each.

    Raises:
        UserError: they can't be written.
    """
    stems: Counter[str] = Counter()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, pixels in zip(files, pictures, strict=True):
            stems[file.stem] += 1
            again = f"-{stems[file.stem]}" if stems[file.stem] > 1 else ""
            # Another name than the file's, which may lie in the same directory.
            name = f"{file.stem}-{features.IMAGE_SIZE}x{features.IMAGE_SIZE}{again}.png"
            _write(directory / name, pixels)
    except OSError as error:
        raise UserError(
            f"{directory} can't be written to ({error.strerror or error}): name another directory "
            "with --save."
        ) from error


def _write(file: Path, pixels: np.ndarray) -> None:
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    try:
        file.write_bytes(png.getvalue())
    except OSError:
        # As on a full disk: a part of a picture is none.
        file.unlink(missing_ok=True)
        raise
