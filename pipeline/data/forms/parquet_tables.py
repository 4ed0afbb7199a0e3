"""Parquet as Hugging Face has it: a row is an image, as the bytes of a picture, and its label."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.forms import checking
from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError
from trainer_module import features

SUFFIXES = (".parquet",)

_BYTES = "bytes"
_ROWS_AT_A_TIME = 1024
_COLUMNS = (features.IMAGE, features.LABEL)


def read(file: Path) -> LabelledImages:
    """Reads a table with the columns `image`, of bytes or of structs with bytes, and `label`.

    Raises:
        UserError: it lacks a column or has another type there; a row has no such image or label;
            or the file has no rows, or can't be read.
    """
    import pyarrow as pa

    if sys.version_info < (3, 11):
        # Older versions of pyarrow, as that stack has, would run code that a file brings along.
        # With it, they raise a RuntimeError.
        import pyarrow_hotfix  # noqa: F401

    try:
        parts = list(_read_batches(file))
    except (OSError, RuntimeError, pa.ArrowException) as error:
        raise UserError(
            f"{file} can't be read as Parquet ({checking.say_why(error)}): fetch it anew."
        ) from error
    return checking.join(parts, file)


def _read_batches(file: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from pyarrow import parquet

    with file.open("rb") as opened:
        table = parquet.ParquetFile(opened)
        _check_schema(file, table.schema_arrow)
        first = 0
        for batch in table.iter_batches(_ROWS_AT_A_TIME, columns=list(_COLUMNS)):
            if batch.num_rows:
                pictures, labels = (batch[name].to_pylist() for name in _COLUMNS)
                yield _take(pictures, np.array(labels), file, first)
            first += batch.num_rows


def _check_schema(file: Path, schema: Any) -> None:  # noqa: ANN401 - pyarrow comes without types
    from pyarrow import types

    for name in _COLUMNS:
        if schema.names.count(name) != 1:
            raise UserError(
                f"{file} has the columns {', '.join(schema.names)}, and not one {name!r} among "
                "them: rename the one that is meant."
            )
    image = schema.field(features.IMAGE).type
    if types.is_struct(image) and image.get_field_index(_BYTES) >= 0:
        image = image[image.get_field_index(_BYTES)].type
    if not (types.is_binary(image) or types.is_large_binary(image)):
        raise UserError(
            f"{file} has {image} as {features.IMAGE!r} instead of the bytes of a PNG or JPEG: "
            "write it anew."
        )
    label = schema.field(features.LABEL).type
    if not types.is_integer(label):
        raise UserError(
            f"{file} has {label} as {features.LABEL!r} instead of an integer: write it anew."
        )


def _take(
    pictures: list[Any], labels: np.ndarray, file: Path, first: int
) -> tuple[np.ndarray, np.ndarray]:
    def name(index: int) -> str:
        return f"Row {first + index + 1} of {file}"

    images = []
    for index, picture in enumerate(pictures):
        content = picture.get(_BYTES) if isinstance(picture, dict) else picture
        if not content:
            raise UserError(
                f"{name(index)} has no bytes of an image: write them into the table, and not where "
                "they are."
            )
        images.append(checking.read_picture(content, name(index)))
    return np.stack(images), checking.to_labels(labels, name)
