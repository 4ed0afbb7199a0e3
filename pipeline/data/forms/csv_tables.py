"""CSV as Kaggle has Fashion-MNIST: a row is an image, its label and then its pixels row by row."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.forms import checking
from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError
from trainer_module import features

SUFFIXES = (".csv", ".csv.gz")

_COLUMNS = 1 + features.IMAGE_SIZE**2

# About 30 MB of numbers at a time.
_ROWS_AT_A_TIME = 5000


def read(file: Path) -> LabelledImages:
    """Reads a table with or without a header.

    Args:
        file: its columns are the label and the pixels, unless a header says that the label is
            another one of them.

    Raises:
        UserError: a row is too long or too short, or has something else than such numbers; or
            the file has no rows, or can't be read.
    """
    from pandas import errors

    try:
        header = _find_header(file)
        column = _find_label(file, header)
        parts = [
            _take(numbers, column, file, first) for first, numbers in _read_rows(file, bool(header))
        ]
    except errors.EmptyDataError:
        parts = []
    except errors.ParserError as error:
        raise UserError(_describe(file, error)) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{file} can't be read as CSV ({checking.say_why(error)}): write it anew."
        ) from error
    return checking.join(parts, file)


def _open(file: Path, **options: Any) -> Any:  # noqa: ANN401 - pandas comes without types
    import pandas as pd

    # utf-8-sig, as spreadsheets put a mark in front.
    return pd.read_csv(file, header=None, encoding="utf-8-sig", **options)


def _find_header(file: Path) -> list[str]:
    """The names in the first row; empty if it has numbers."""
    [cells] = _open(file, nrows=1, dtype=str, keep_default_na=False).to_numpy().tolist()
    return [] if all(map(checking.is_number, cells)) else [cell.strip() for cell in cells]


def _find_label(file: Path, header: list[str]) -> int:
    if not header:
        return 0
    if header.count(features.LABEL) != 1:
        raise UserError(
            f"The first row of {file} is neither numbers nor a header with one "
            f"{features.LABEL!r}, but starts with {checking.quote(header[0])}: mend it."
        )
    return header.index(features.LABEL)


def _read_rows(file: Path, header: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yields so many rows at a time, and the index of the first of them."""
    skip = int(header)
    # Else pandas would take what is too much in the first row for names of the rows.
    width = _open(file, nrows=1, skiprows=skip, dtype=str).shape[1]
    if width != _COLUMNS:
        raise UserError(
            f"The number of cells in row 1 of {file} is {width} instead of {_COLUMNS}, for a label "
            f"and {checking.WANTED}: write it anew."
        )
    with _open(file, chunksize=_ROWS_AT_A_TIME, skiprows=skip, low_memory=False) as chunks:
        for chunk in chunks:
            missing = chunk.isna().to_numpy()
            if missing.any():
                row, column = np.argwhere(missing)[0]
                raise UserError(
                    f"Row {chunk.index[row] + 1} of {file} has nothing in column {column + 1} of "
                    f"{_COLUMNS}: mend it."
                )
            yield chunk.index[0], chunk.to_numpy()


def _take(
    numbers: np.ndarray, column: int, file: Path, first: int
) -> tuple[np.ndarray, np.ndarray]:
    def name(index: int) -> str:
        return f"Row {first + index + 1} of {file}"

    labels = checking.to_labels(numbers[:, column], name)
    pixels = checking.to_pixels(np.delete(numbers, column, axis=1), name)
    return pixels.reshape(-1, *checking.SIZE), labels


def _describe(file: Path, error: Exception) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if found:
        wanted, line, number = found.groups()
        return f"Line {line} of {file} has {number} cells instead of {wanted}: mend it."
    return f"{file} can't be read as CSV ({checking.say_why(error)}): write it anew."
