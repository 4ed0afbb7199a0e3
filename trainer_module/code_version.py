"""Which commit the code that runs is of."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class CodeVersion:
    """A state of the project's code.

    Attributes:
        commit: 40 hexadecimal digits.
        clean: whether the tracked files are as committed.
    """

    commit: str
    clean: bool


def find_code_version(checkout: Path = _CHECKOUT) -> CodeVersion | None:
    """Asks Git which commit a checkout is at.

    Args:
        checkout: the top directory; this project's own if not given.

    Returns:
        The version; None where the code is no Git checkout of its own, as in an installed
        package, or there is no Git.
    """
    # Else the commit of a repository in which the package merely lies, as a virtual environment.
    if not (checkout / ".git").exists():
        return None
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return CodeVersion(commit.strip(), not changes.strip())


def _git(checkout: Path, *arguments: str) -> str:
    # Without locks: this only looks, and may do so beside somebody's commit.
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=10).stdout
