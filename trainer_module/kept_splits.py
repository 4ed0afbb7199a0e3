"""Splits that one node has loaded and that another one of the same process may take over.

The learning-rate finder and the Trainer run in one process, one after the other, and read the same
train split. TFX hands on files alone, so it is kept here, for once and no longer than a run.
"""

import glob
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

Identity = Hashable
"""Equal for two splits only if the same was loaded."""

_kept: dict[Identity, Any] = {}


def identify(file_patterns: Iterable[str], transform_directory: str) -> Identity:
    """Tells a split by its files and those of the transform graph, as they are now.

    Args:
        file_patterns: the files of the split.
        transform_directory: the SavedModel of the transform graph.
    """
    split = (file for pattern in file_patterns for file in glob.glob(pattern))  # noqa: PTH207
    graph = (str(file) for file in Path(transform_directory).rglob("*") if file.is_file())
    return tuple(map(_describe, sorted(split))), tuple(map(_describe, sorted(graph)))


def _describe(file: str) -> tuple[str, int, int]:
    status = Path(file).stat()
    return file, status.st_size, status.st_mtime_ns


def keep(splits: Mapping[Identity, Any]) -> None:
    """Keeps splits until they are taken, in the place of what was kept before."""
    _kept.clear()
    _kept.update(splits)


def take_all() -> dict[Identity, Any]:
    """Hands over what was kept, and keeps nothing."""
    taken = dict(_kept)
    _kept.clear()
    return taken
