"""Settings files that have a name: `--config wide`."""

import difflib
import os
from pathlib import Path

from pipeline.errors import UserError

_DIRECTORY = Path(__file__).parent


def names() -> list[str]:
    """The presets' names, in order."""
    return sorted(file.stem for file in _DIRECTORY.glob("*.toml"))


def find(name: str) -> Path:
    """Finds a settings file.

    Args:
        name: a preset's, or the path of a file.

    Raises:
        UserError: there is no preset of this name, and it is no path either.
    """
    known = names()
    if name in known:
        return _DIRECTORY / f"{name}.toml"
    # What has a directory or a suffix is meant as a path, and said to be missing by who reads it.
    if os.sep in name or Path(name).suffix or os.path.exists(name):
        return Path(name)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    raise UserError(f"There is no preset {name!r}, and no file of that name: {hint}")
