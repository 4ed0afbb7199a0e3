"""What runs came to, for a notebook: tables of pandas."""

from pathlib import Path

import pandas as pd

from pipeline import config
from pipeline.errors import UserError
from pipeline.runs import lookup
from pipeline.screen import views
from pipeline.screen.tables import Table
from pipeline.screen.views import SLICINGS


def read_slices(root: str | Path, run: str | None = None, by: str = SLICINGS[0]) -> pd.DataFrame:
    """Reads how good a run's model is in each slice of the test images.

    Args:
        root: where runs keep what they make, as `--root`.
        run: the run's id, or the beginning of it; `serving` for the one whose model is live;
            None for the latest that has ended.
        by: what cuts the images into slices: `label`, `ink`, `brightness` or `group`.

    Returns:
        A row a slice, by its name, with the figures that `pipeline.inspect --format csv` has;
        NaN where there is none.

    Raises:
        UserError: there is no such run, or it has no such figures.

    Example:
        read_slices("output").sort_values("recall")
    """
    if by not in SLICINGS:
        raise UserError(f"Nothing is cut by {by}: name one of {', '.join(SLICINGS)}.")
    settings = config.load_config(flags={"paths.root": root})
    result = lookup.read(lookup.find(lookup.find_places(settings), run))
    return _to_frame(views.by_slice(views.require_figures(result, by), by), by)


def _to_frame(table: Table, by: str) -> pd.DataFrame:
    name, *_ = (column.key for column in table.columns)
    return pd.DataFrame(table.to_objects()).set_index(name).rename_axis(by)
