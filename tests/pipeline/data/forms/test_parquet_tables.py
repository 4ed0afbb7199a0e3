import os
import subprocess
import sys
import warnings

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.data.forms import parquet_tables

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)


@pytest.fixture
def pictures(images, encode_png):
    return [encode_png(image) for image in images]


@pytest.fixture
def write(tmp_path):
    def write(columns):
        file = tmp_path / "train-00000-of-00001.parquet"
        parquet.write_table(pa.table(columns), file)
        return file

    return write


def structs(pictures):
    return pa.array([{"bytes": one, "path": None} for one in pictures], IMAGE)


def large(pictures):
    return pa.array(pictures, pa.large_binary())


@pytest.mark.parametrize("of", [structs, pa.array, large])
def test_images_are_read_from_structs_and_from_bytes(write, images, pictures, of, monkeypatch):
    monkeypatch.setattr(parquet_tables, "_ROWS_AT_A_TIME", 2)
    found = parquet_tables.read(write({"label": [3, 1, 4, 1, 5], "image": of(pictures)}))
    assert np.array_equal(found.images, images)
    assert (found.labels.dtype, found.labels.tolist()) == (np.int64, [3, 1, 4, 1, 5])


@pytest.mark.parametrize("label", [10, -1])
def test_a_label_of_no_class_is_refused_by_its_row(write, pictures, label, monkeypatch, refusal):
    monkeypatch.setattr(parquet_tables, "_ROWS_AT_A_TIME", 2)
    file = write({"image": structs(pictures), "label": [0, 1, 2, label, 4]})
    with refusal(f"Row 4 of {file} has {label} as its label"):
        parquet_tables.read(file)


def test_a_label_that_is_missing_is_refused(write, pictures, refusal):
    with refusal("Row 2 of", "has None as its label"):
        parquet_tables.read(write({"image": structs(pictures), "label": [0, None, 2, 3, 4]}))


def test_a_picture_that_is_not_as_wanted_is_refused_by_its_row(
    write, pictures, encode_png, monkeypatch, refusal
):
    monkeypatch.setattr(parquet_tables, "_ROWS_AT_A_TIME", 2)
    pictures[4] = encode_png(np.zeros([28, 20], np.uint8))
    with refusal("Row 5 of", "has 20×28 pixels"):
        parquet_tables.read(write({"image": structs(pictures), "label": [0] * 5}))


@pytest.mark.parametrize("missing", [None, {"bytes": None, "path": "3.png"}])
def test_an_image_without_bytes_is_refused(write, pictures, missing, refusal):
    column = pa.array([{"bytes": pictures[0], "path": None}, missing], IMAGE)
    with refusal("Row 2 of", "has no bytes of an image"):
        parquet_tables.read(write({"image": column, "label": [0, 1]}))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"picture": [b"png"], "label": [1]}, "columns picture, label, and not one 'image'"),
        ({"image": [b"png"], "class": [1]}, "columns image, class, and not one 'label'"),
        ({"image": ["1.png"], "label": [1]}, "has string as 'image' instead of the bytes"),
        ({"image": [{"path": "x"}], "label": [1]}, "has struct<path: string> as 'image' instead"),
        ({"image": [b"png"], "label": ["Coat"]}, "has string as 'label' instead of an integer"),
    ],
)
def test_another_table_is_refused(write, columns, said, refusal):
    with refusal(said):
        parquet_tables.read(write(columns))


def test_a_table_without_rows_is_refused(write, refusal):
    with refusal("has no images"):
        parquet_tables.read(write({"image": structs([]), "label": pa.array([], pa.int64())}))


@pytest.mark.parametrize("size", [0, 9, 99])
def test_a_file_that_is_cut_off_is_refused(write, pictures, size, refusal):
    file = write({"image": structs(pictures), "label": [0] * 5})
    file.write_bytes(file.read_bytes()[:size])
    with refusal(f"{file} can't be read as Parquet ("):
        parquet_tables.read(file)


def test_a_file_that_brings_code_along_does_not_run_it(tmp_path):
    trap = tmp_path / "ran"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        class Trap(pa.PyExtensionType):
            def __init__(self):
                super().__init__(pa.int64())

            def __reduce__(self):
                return os.mkdir, (str(trap),)

        column = pa.ExtensionArray.from_storage(Trap(), pa.array([1]))
    file = tmp_path / "mine.parquet"
    parquet.write_table(pa.table({"image": [b"png"], "label": column}), file)
    # In a process of its own, as others have imported here what keeps pyarrow from it.
    program = "\n".join(
        [
            "from pathlib import Path",
            "from pipeline.data.forms import parquet_tables",
            f"parquet_tables.read(Path({str(file)!r}))",
        ]
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "UserError" in ended.stderr
    assert not trap.exists()
