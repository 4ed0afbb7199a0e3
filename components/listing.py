"""What an artifact's directory had when it was made, and whether it still has it.

The listing goes with the artifact, as a custom property: see `components.properties.FILES`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from components.model_store import files


def list_files(directory: Path, *, checksums: bool) -> str:
    """Lists the files of a directory.

    Args:
        directory: an artifact's.
        checksums: whether files are told by their SHA-256, or else by their size alone.

    Returns:
        A JSON object: by the path of each file below the directory, its SHA-256 in hexadecimal, or
        its size in bytes.

    Raises:
        OSError: a file can't be read.
    """
    found: Mapping[str, str | int] = files.checksums(directory) if checksums else _sizes(directory)
    return json.dumps(found)


def _sizes(directory: Path) -> dict[str, int]:
    paths = [Path(place, name) for place, _, names in os.walk(directory) for name in names]
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in sorted(paths)}


def find_fault(directory: Path, listing: str) -> str | None:
    """Says in a phrase why a directory is not as it was listed, of which it is the subject.

    Args:
        directory: an artifact's.
        listing: what `list_files` returned; empty where nobody listed it, as for an artifact of
            an earlier version of this project: then it need only be there.

    Returns:
        The phrase; None where it is as it was.
    """
    if not os.path.isdir(directory):
        return "is gone"
    if not listing:
        return None
    expected = json.loads(listing)
    try:
        found = json.loads(
            list_files(directory, checksums=any(isinstance(one, str) for one in expected.values()))
        )
    except OSError as error:
        return f"can't be read ({error.filename}: {error.strerror})"
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"has lost {name}"
        if name not in expected:
            return f"has {name}, which it was not made with"
        if found[name] != expected[name]:
            return f"has another {name} than it was made with"
    return None
