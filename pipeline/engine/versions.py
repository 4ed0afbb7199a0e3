"""Which versions of the libraries the cache goes by. Free of TensorFlow and TFX."""

import json
from collections.abc import Mapping
from pathlib import Path

from components.model_store.files import write_atomically
from pipeline.fingerprint import installed_versions


def choose_versions(file: Path, *, keep: bool) -> tuple[dict[str, str], list[str]]:
    """Chooses the versions that the fingerprints are made of.

    Args:
        file: where `remember_versions` left those of the last run; may be missing.
        keep: take those, so that what they made still comes from the cache.

    Returns:
        The versions by name, and what there is to know of them, a sentence each.
    """
    installed = installed_versions()
    if not keep:
        return installed, []
    before = _read(file)
    changed = [
        f"{name} {before[name]} (now {version})"
        for name, version in installed.items()
        if before.get(name, version) != version
    ]
    told = ", ".join(changed) or "none has changed since the run before"
    note = f"what other versions of the libraries made may be from the cache, as asked: {told}"
    return {**installed, **before}, [note]


def remember_versions(file: Path, versions: Mapping[str, str]) -> None:
    """Leaves the versions that a run went by for those that keep them."""
    write_atomically(file, json.dumps(versions, indent=1) + "\n")


def _read(file: Path) -> dict[str, str]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
