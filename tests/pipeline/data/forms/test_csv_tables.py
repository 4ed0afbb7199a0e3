import gzip

import numpy as np
import pytest

from pipeline.data.forms import csv_tables

HEADER = ["label", *(f"pixel{number}" for number in range(1, 785))]


@pytest.fixture
def rows():
    """Five rows, each a label and its pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 784))
    return [[str(label), *map(str, row)] for label, row in enumerate(pixels.tolist())]


@pytest.fixture
def write(tmp_path):
    def write(rows, name="mine.csv"):
        file = tmp_path / name
        file.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
        return file

    return write


def assert_read(found, rows):
    numbers = np.array(rows, int)
    assert found.images.dtype == np.uint8
    assert found.images.shape == (len(rows), 28, 28)
    assert np.array_equal(found.images.reshape(len(rows), -1), numbers[:, 1:])
    assert found.labels.dtype == np.int64
    assert np.array_equal(found.labels, numbers[:, 0])


@pytest.mark.parametrize("header", [[], [HEADER], [["\ufeff" + HEADER[0], *HEADER[1:]]]])
def test_rows_are_read_with_or_without_a_header(write, rows, header):
    assert_read(csv_tables.read(write(header + rows)), rows)


def test_many_rows_are_read_in_parts(write, rows, monkeypatch):
    monkeypatch.setattr(csv_tables, "_ROWS_AT_A_TIME", 2)
    assert_read(csv_tables.read(write([HEADER, *rows])), rows)


def test_header_says_where_the_label_is(write, rows):
    turned = [[*row[1:], row[0]] for row in (HEADER, *rows)]
    assert_read(csv_tables.read(write(turned)), rows)


def test_gzipped_table_is_read(write, rows):
    file = write(rows)
    packed = file.with_name("mine.csv.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert_read(csv_tables.read(packed), rows)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        (0, "10", "Row 4 of {file} has 10 as its label"),
        (0, "Coat", "Row 4 of {file} has 'Coat' as its label"),
        (9, "256", "Row 4 of {file} has 256 as a pixel"),
        (9, "black", "Row 4 of {file} has 'black' as a pixel"),
        (9, "0.25", "Row 4 of {file} has 0.25 as a pixel"),
        (9, "", "Row 4 of {file} has nothing in column 10 of 785"),
    ],
)
def test_a_cell_that_is_no_such_number_is_refused(write, rows, column, cell, said, refusal):
    rows[3][column] = cell
    file = write([HEADER, *rows])
    with refusal(said.format(file=file)):
        csv_tables.read(file)


def test_row_is_counted_through_all_parts(write, rows, monkeypatch, refusal):
    monkeypatch.setattr(csv_tables, "_ROWS_AT_A_TIME", 2)
    rows[4][0] = "11"
    with refusal("Row 5 of"):
        csv_tables.read(write(rows))


def test_a_short_row_is_refused(write, rows, refusal):
    rows[2] = rows[2][:700]
    with refusal("Row 3 of", "has nothing in column 701 of 785"):
        csv_tables.read(write(rows))


@pytest.mark.parametrize("at_a_time", [2, 5000])
def test_a_long_row_is_refused_by_its_line(write, rows, monkeypatch, at_a_time, refusal):
    monkeypatch.setattr(csv_tables, "_ROWS_AT_A_TIME", at_a_time)
    rows[3].append("7")
    with refusal("Line 5 of", "has 786 cells instead of 785"):
        csv_tables.read(write([HEADER, *rows]))


@pytest.mark.parametrize("width", [784, 786])
def test_a_table_of_another_width_is_refused(write, rows, width, refusal):
    table = [(row + row)[:width] for row in rows]
    with refusal("The number of cells in row 1 of", f"is {width} instead of 785"):
        csv_tables.read(write(table))


def test_a_header_without_label_is_refused(write, rows, refusal):
    with refusal("The first row of", "one 'label', but starts with 'class'"):
        csv_tables.read(write([["class", *HEADER[1:]], *rows]))


@pytest.mark.parametrize("table", [[], [HEADER]])
def test_a_table_without_rows_is_refused(write, table, refusal):
    with refusal("has no images"):
        csv_tables.read(write(table))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", b"\xff\xfe"),
        ("mine.csv.gz", b"no gzip"),
        # Without the time, which would make it another test each second.
        ("mine.csv.gz", gzip.compress(b"1,2\n" * 999, mtime=0)[:-20]),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, name, content, refusal):
    (tmp_path / name).write_bytes(content)
    with refusal(f"{tmp_path / name} can't be read as CSV ("):
        csv_tables.read(tmp_path / name)
