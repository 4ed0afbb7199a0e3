import csv
import io
import math

import pytest
from rich.console import Console

from pipeline.screen.tables import Column, Table

NAME = Column("name", "class")
RECALL = Column("recall", "recall", ".3f", "lowest")
LOSS = Column("loss", "loss", ".3f", "highest", spare=True)
HIDDEN = Column("hidden", "")
TABLE = Table(
    [NAME, RECALL, LOSS, HIDDEN],
    [
        {"name": "Dress", "recall": 0.93, "loss": 0.2, "hidden": True},
        {"name": "Shirt, [b]", "recall": 0.7123456789, "loss": math.nan, "hidden": ["x", "y"]},
        {"name": "Coat", "recall": None, "loss": 0.4, "hidden": []},
        {"name": "Bag", "recall": 0.99, "loss": math.inf, "hidden": None},
    ],
)


def names(table):
    return [row["name"] for row in table.rows]


def printed(table, width):
    console = Console(file=io.StringIO(), width=width)
    table.print(console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_rows_are_sorted_by_a_column_either_way_and_those_without_a_figure_are_last():
    assert names(TABLE.sort("recall")) == ["Shirt, [b]", "Dress", "Bag", "Coat"]
    assert names(TABLE.sort("recall", descending=True)) == ["Bag", "Dress", "Shirt, [b]", "Coat"]
    assert names(TABLE.sort("name")) == ["Bag", "Coat", "Dress", "Shirt, [b]"]


def test_the_worst_rows_are_low_or_high_as_the_column_says():
    assert names(TABLE.worst(2, "recall")) == ["Shirt, [b]", "Dress"]
    assert names(TABLE.worst(1, "loss")) == ["Bag"]
    assert len(TABLE.worst(9, "loss").rows) == 4


def test_a_column_that_is_not_there_is_refused_with_those_that_are(refusal):
    with refusal("no column bogus: sort by one of name, recall, loss, hidden"):
        TABLE.sort("bogus")
    with refusal("no column bogus"):
        TABLE.worst(1, "bogus")


def test_a_column_without_good_and_bad_has_no_worst_rows(refusal):
    with refusal("name has no worst rows: sort by one of recall, loss"):
        TABLE.worst(1, "name")


def test_csv_has_all_columns_by_key_and_numbers_in_full():
    rows = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert rows == [
        ["name", "recall", "loss", "hidden"],
        ["Dress", "0.93", "0.2", "yes"],
        ["Shirt, [b]", "0.7123456789", "", "x; y"],
        ["Coat", "", "0.4", ""],
        ["Bag", "0.99", "inf", ""],
    ]


def test_objects_have_all_columns_and_null_for_what_is_not_there():
    shirt = TABLE.to_objects()[1]
    assert shirt == {
        "name": "Shirt, [b]",
        "recall": 0.7123456789,
        "loss": None,
        "hidden": ["x", "y"],
    }


def test_a_person_sees_rounded_figures_under_headings_and_a_dash_for_what_is_not_there():
    assert printed(TABLE, 80) == [
        "class       recall   loss",
        "Dress        0.930  0.200",
        "Shirt, [b]   0.712      –",
        "Coat             –  0.400",
        "Bag          0.990    inf",
    ]


def test_a_narrow_screen_has_narrower_gaps_and_then_leaves_out_what_is_spare():
    assert printed(TABLE, 24)[2] == "Shirt, [b]  0.712     –"
    assert printed(TABLE, 20) == [
        "class       recall",
        "Dress        0.930",
        "Shirt, [b]   0.712",
        "Coat             –",
        "Bag          0.990",
        "not shown for want",
        "of width: loss",
    ]


def test_a_very_narrow_screen_leaves_out_more_than_is_spare_but_never_the_first_column():
    assert printed(TABLE, 12) == [
        *("class", "Dress", "Shirt, [b]", "Coat", "Bag"),
        *("not shown", "for want of", "width:", "recall, loss"),
    ]


def test_row_with_a_style_stands_out():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    TABLE.print(console, {1: "bold"})
    bold = [line for line in console.file.getvalue().splitlines() if "\x1b[1m" in line]
    assert any("Shirt" in line for line in bold)
    assert not any("Dress" in line for line in bold)


@pytest.mark.parametrize("value", [True, False])
def test_what_is_so_or_not_is_yes_or_no(value):
    lines = printed(Table([Column("blessed", "blessed")], [{"blessed": value}]), 80)
    assert lines[1] == ("yes" if value else "no")
