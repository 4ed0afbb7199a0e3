"""Fingerprints of files, and of what each node of the graph runs. Free of TensorFlow and TFX."""

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from components.model_store.files import sha256
from pipeline import nodes

__all__ = ["find_sources", "fingerprint", "fingerprints", "installed_versions", "sha256"]

_ROOT = Path(__file__).resolve().parents[1]
"""Where the packages lie: the checkout, or site-packages."""

_PACKAGES = ("components", "schema", "trainer_module")
"""What nodes run of this project; else every library in site-packages would count as ours."""


def fingerprints(versions: Mapping[str, str] | None = None) -> dict[str, str]:
    """Hashes what each node runs.

    TFX keys its cache by a component's parameters and inputs. The code that it runs is
    neither: as a parameter, its fingerprint makes a node run again that runs something else.

    Args:
        versions: of the libraries; those that are installed if not given.

    Returns:
        16 hexadecimal digits by node.
    """
    known = installed_versions() if versions is None else versions
    return {node: fingerprint(code, known) for node, code in nodes.CODE.items()}


def installed_versions() -> dict[str, str]:
    """Asks which versions there are of the libraries that nodes stand on."""
    names = {name for code in nodes.CODE.values() for name in code.libraries}
    return {name: importlib.metadata.version(name) for name in sorted(names)}


def fingerprint(code: nodes.Code, versions: Mapping[str, str], root: Path = _ROOT) -> str:
    """Hashes what a node runs: its sources, and the versions of its libraries.

    Args:
        code: what that is.
        versions: of the libraries, by name; one that is not known counts as such.
        root: where the packages lie, which changes nothing.

    Returns:
        16 hexadecimal digits that change with a file's name or content, or a version.
    """
    digest = hashlib.sha256()
    for path in sorted(find_sources(code, root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    for name in sorted(code.libraries):
        digest.update(f"{name}=={versions.get(name)}\0".encode())
    return digest.hexdigest()[:16]


def find_sources(code: nodes.Code, root: Path = _ROOT) -> set[Path]:
    """Finds the files of this project that a node runs or reads.

    Args:
        code: where to begin.
        root: where the packages lie.

    Returns:
        The modules that it begins with, all that these import, also within functions, and the
        other files.

    Raises:
        FileNotFoundError: a module, or a file, is not there.
    """
    found: set[Path] = set()
    for pattern in code.files:
        matching = {path for path in root.glob(pattern) if path.is_file()}
        if not matching:
            raise FileNotFoundError(root / pattern)
        found |= matching
    for module in code.modules:
        if not _find_files(module, root, found):
            raise FileNotFoundError(f"{module} in {root}")
    return found


def _find_files(module: str, root: Path, found: set[Path]) -> bool:
    """Adds a module, the packages that it is in, and what these import; whether it is one."""
    names = module.split(".")
    if names[0] not in _PACKAGES or not (own := _file_of(names, root)):
        return False
    packages = [root.joinpath(*names[:depth], "__init__.py") for depth in range(1, len(names))]
    for file in [*packages, own]:
        if file in found:
            continue
        found.add(file)
        for imported in _imports(file.read_bytes()):
            _find_files(imported, root, found)
    return True


def _file_of(names: Collection[str], root: Path) -> Path | None:
    place = root.joinpath(*names)
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


@functools.cache
def _imports(source: bytes) -> tuple[str, ...]:
    return tuple(_walk_imports(ast.parse(source)))


def _walk_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Each name may be a module of a package, or something in a module.
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
