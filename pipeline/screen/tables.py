"""Tables of figures: sorted, cut, and written for a person, as CSV or as JSON."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from pipeline.errors import UserError

Value = str | bool | int | float | Sequence[str] | None

_NOTHING = "–"
_UNLIMITED = 10_000


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: its name in CSV, in JSON and for sorting.
        heading: what a person sees above it; an empty one leaves it to CSV and JSON.
        form: how its numbers are formatted, as by `format`; None for text.
        worst: which of its numbers are the worst, if one can tell.
        spare: whether a screen that is too narrow leaves it out before others.
    """

    key: str
    heading: str
    form: str | None = None
    worst: Literal["lowest", "highest"] | None = None
    spare: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and rows by the columns' keys; None and NaN are figures that there are not."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]

    def sort(self, key: str, *, descending: bool = False) -> "Table":
        """Orders the rows by a column, those without a figure last.

        Raises:
            UserError: there is no such column; the sentence names those there are.
        """
        self._column(key)
        there = [row for row in self.rows if not _is_nothing(row[key])]
        # The cells of a column are of one kind.
        ordered = sorted(there, key=lambda row: cast(Any, row[key]), reverse=descending)
        return replace(self, rows=ordered + [row for row in self.rows if _is_nothing(row[key])])

    def worst(self, count: int, key: str) -> "Table":
        """Keeps the worst rows by a column, the worst first.

        Raises:
            UserError: nothing is good or bad in this column, or there is none of this name.
        """
        order = self._column(key).worst
        if order is None:
            better = ", ".join(column.key for column in self.columns if column.worst)
            raise UserError(f"{key} has no worst rows: sort by one of {better}.")
        rows = self.sort(key, descending=order == "highest").rows
        return replace(self, rows=rows[:count])

    def to_csv(self) -> str:
        """Writes all columns, numbers in full, under a line of their keys."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.key for column in self.columns)
        for row in self.rows:
            writer.writerow(_to_cell(row[column.key]) for column in self.columns)
        return text.getvalue()

    def to_objects(self) -> list[dict[str, Value]]:
        """Returns an object for each row, for JSON."""
        keys = [column.key for column in self.columns]
        return [
            {key: None if _is_nothing(row[key]) else row[key] for key in keys} for row in self.rows
        ]

    def print(self, console: Console, styles: Mapping[int, str] | None = None) -> None:
        """Prints it for a person, narrower or with less where the screen is narrow.

        Args:
            console: where to.
            styles: of rows that stand out, by their place.
        """
        shown = [column for column in self.columns if column.heading]
        # The last ones first, those that can be spared before them; the first one names the row.
        dispensable = sorted(shown[1:], key=lambda column: column.spare)

        def lay_out(gap: int) -> Grid:
            return self._grid(shown, gap, styles, ascii_only=console.options.ascii_only)

        while dispensable and not _fits(console, lay_out(1)):
            shown.remove(dispensable.pop())
        airy = lay_out(2)
        console.print(airy if _fits(console, airy) else lay_out(1))
        left_out = [one for one in self.columns if one.heading and one not in shown]
        if left_out:
            headings = ", ".join(column.heading.replace("\n", " ") for column in left_out)
            console.print(f"not shown for want of width: {headings}", style="dim", highlight=False)

    def _column(self, key: str) -> Column:
        for column in self.columns:
            if column.key == key:
                return column
        known = ", ".join(column.key for column in self.columns)
        raise UserError(f"There is no column {key}: sort by one of {known}.")

    def _grid(
        self,
        columns: Sequence[Column],
        gap: int,
        styles: Mapping[int, str] | None,
        *,
        ascii_only: bool,
    ) -> Grid:
        grid = Grid(box=None, padding=(0, gap, 0, 0), pad_edge=False)
        for column in columns:
            grid.add_column(column.heading, justify="right" if column.form else "left")
        for place, row in enumerate(self.rows):
            cells = [escape(_to_text(row[one.key], one.form)) for one in columns]
            if ascii_only:
                cells = [plain(cell) for cell in cells]
            grid.add_row(*cells, style=(styles or {}).get(place))
        return grid


def plain(text: str) -> str:
    """Writes with a hyphen what has a dash, for a terminal that can show no more."""
    return text.replace(_NOTHING, "-")


def _fits(console: Console, grid: Grid) -> bool:
    unlimited = console.options.update(width=_UNLIMITED)
    return console.measure(grid, options=unlimited).maximum <= console.width


def _is_nothing(value: Value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _to_cell(value: Value) -> str | int | float:
    if value is None or _is_nothing(value):
        return ""
    if isinstance(value, bool):
        return _to_text(value, None)
    return value if isinstance(value, int | float | str) else "; ".join(value)


def _to_text(value: Value, form: str | None) -> str:
    if value is None or _is_nothing(value):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return format(value, form or "") if isinstance(value, int | float) else "; ".join(value)
