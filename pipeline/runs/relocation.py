"""A root that was moved or copied: absolute paths in its books and results are made true again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.runs.database import writing

# <root>/artifacts/<node>/<key>/<execution>
_ARTIFACT = re.compile(r"(?P<root>/.*)/artifacts/[^/]+/[^/]+/[0-9]+")

_COLUMNS = (
    ("Artifact", "uri"),
    ("ArtifactProperty", "string_value"),
    ("ExecutionProperty", "string_value"),
)
"""Where ML Metadata has paths: of what was made, and of what nodes were told."""


def mend_paths(metadata: Path, root: Path) -> list[str]:
    """Makes the paths in the books those of where the root is now, all or none.

    What lies elsewhere, as a serving directory of its own, keeps its path.

    Args:
        metadata: the database, which is sound.
        root: where it is.

    Returns:
        Where the root was before; none if it was not moved.

    Raises:
        sqlite3.Error: it can't be written; nothing changed.
    """
    with writing(metadata) as database:
        uris = database.execute(
            "SELECT DISTINCT uri FROM Artifact WHERE substr(uri, 1, ?) != ?",
            (len(f"{root}/"), f"{root}/"),
        )
        matches = filter(None, (_ARTIFACT.fullmatch(uri or "") for (uri,) in uris))
        former = sorted({match["root"] for match in matches}, key=len, reverse=True)
        for old in former:
            database.create_function("moved", 1, lambda text, old=old: move(text, old, str(root)))
            for table, column in _COLUMNS:
                database.execute(
                    f"UPDATE {table} SET {column} = moved({column}) "
                    f"WHERE instr({column}, ?) OR instr({column}, ?)",
                    (old, _in_json(old)),
                )
    return former


def move(text: str, old: str, new: str) -> str:
    """Replaces a directory wherever a text names it or something below it.

    Args:
        text: a path, a command line, JSON, or JSON within JSON.
        old: the directory's path before.
        new: its path now.
    """
    for before, after in _spellings(old, new):
        # Not of /data/root-2, nor of /mnt/data/root.
        pattern = rf"(?<![\w./-]){re.escape(before)}(?![\w.-])"
        text = re.sub(pattern, after.replace("\\", r"\\"), text)
    return text


def _spellings(old: str, new: str) -> Iterator[tuple[str, str]]:
    yield old, new
    if _in_json(old) != old:
        yield _in_json(old), _in_json(new)


def _in_json(text: str) -> str:
    """As it stands in JSON, where letters other than English ones are escaped."""
    return json.dumps(text)[1:-1]
