"""What is found where data was expected: said in a clause, with the way from there to data."""

import collections
import itertools
import shlex
from pathlib import Path

from pipeline.data import idx
from trainer_module import features

IMPORT = "python -m pipeline.dataset import"

_IMPORTED = {".csv", ".npz", ".parquet"}
_ARCHIVES = {".zip", ".tar", ".tgz"}
_PICTURES = {".png", ".jpg", ".jpeg"}

_LOOKED_AT = 10_000
"""No more entries of a directory are counted: someone may have named a whole disk."""

_NAMED = 3
"""So many kinds of files are named."""


def describe_file(file: Path) -> str:
    """Says what a file is that was named as a directory, and what to do; a clause or two."""
    if any(file.name in (one.name, Path(one.name).stem) for one in idx.OFFICIAL_FILES):
        return f"one of the official ones: name its directory, --data-dir {_quote(file.parent)}"
    suffixes = set(file.suffixes)
    if suffixes & _ARCHIVES:
        return "an archive: unpack it, and name the directory with --data-dir"
    if "tfrecord" in file.name:
        return (
            "and TFRecords are read by their directory: name the one that has train, eval and test "
            "with --data-dir, and say by dataset.pattern how they are named"
        )
    if suffixes & _IMPORTED:
        return f"which `{_import(file)}` makes TFRecords of: name what that writes with --data-dir"
    return (
        "and data is read from a directory: name one with --data-dir, or make one of a CSV, npz or "
        f"Parquet with `{IMPORT} SOURCE DIR`"
    )


def describe_directory(directory: Path) -> str:
    """Says what a directory has that is no data, and what to do if that could become some.

    Raises:
        OSError: it can't be read.
    """
    entries = list(itertools.islice(directory.iterdir(), _LOOKED_AT))
    folders = [entry for entry in entries if entry.is_dir()]
    kinds = collections.Counter(
        entry.suffix.lower() for entry in entries if not entry.is_dir() and not _is_hidden(entry)
    )
    found = [
        f"{count:,} {suffix or 'other'} file{'s' if count > 1 else ''}"
        for suffix, count in kinds.most_common(_NAMED)
    ]
    if folders:
        found.append(f"{len(folders):,} director{'ies' if len(folders) > 1 else 'y'}")
    there = " and ".join(found) or "nothing"
    if kinds.keys() & _IMPORTED or any(
        _has_pictures(folder) for folder in folders[: features.NUM_CLASSES]
    ):
        return f"{there}, of which `{_import(directory)}` makes TFRecords"
    return there


def _has_pictures(folder: Path) -> bool:
    files = itertools.islice(folder.iterdir(), features.NUM_CLASSES)
    return any(file.suffix.lower() in _PICTURES for file in files)


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".")


def _import(source: Path) -> str:
    return f"{IMPORT} {_quote(source)} DIR"


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
