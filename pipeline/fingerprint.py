"""Fingerprints of files and of source code."""

import hashlib
from pathlib import Path
from types import ModuleType

from components.model_store.files import sha256

__all__ = ["fingerprint", "sha256"]


_SUFFIXES = (".py", ".html", ".css")


def fingerprint(package: ModuleType) -> str:
    """Hashes the sources of a package: its modules, and templates where it has some.

    TFX keys its cache by a component's parameters and inputs. Code that is named by a
    dotted path is neither: as a parameter, this makes an edited module run again.

    Args:
        package: an imported package that lies in a directory.

    Returns:
        16 hexadecimal digits that change with the name or content of any of them.
    """
    [root] = map(Path, package.__path__)
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
