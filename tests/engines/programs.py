"""Prism, Beam's portable runner, and the entry point of its worker images: built by Go, and kept.

    python tests/engines/programs.py VERSION

builds them for a version of Beam and prints their directory. It needs nothing but Python and Go, as
it is also called for a machine that has no Go.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCES = {
    "prism": "github.com/apache/beam/sdks/v2/go/cmd/prism",
    "boot": "github.com/apache/beam/sdks/v2/python/container",
}
"""By its name here, where the program is."""

_TIME_LIMIT_S = 900


class NoProgramsError(Exception):
    """They are not here and can't be built; says why."""


def provide(version: str) -> Path:
    """Makes sure that they are there.

    Args:
        version: of Beam, such as `2.74.0`.

    Returns:
        The directory that has `prism` and `boot`, outside of the checkout.

    Raises:
        NoProgramsError: they are not there, and there is no Go, or it can't build them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    directory = cache / "fashion-mnist-pipeline" / f"beam-{version}"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        # Tests run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, source in _SOURCES.items():
            if not (directory / name).exists():
                _build(f"{source}@v{version}", directory / name)
    return directory


def _build(source: str, target: Path) -> None:
    if shutil.which("go") is None:
        raise NoProgramsError(f"{target} is not there, and there is no Go to build it: install Go")
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        built = subprocess.run(
            ["go", "install", source],
            # Without C, it runs on machines with an older libc.
            env={**os.environ, "GOBIN": directory, "CGO_ENABLED": "0"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT_S,
            check=False,
        )
        if built.returncode:
            said = built.stderr.strip().splitlines() or [f"exit code {built.returncode}"]
            raise NoProgramsError(f"go install {source} failed: {said[-1]}")
        [program] = Path(directory).iterdir()
        program.rename(target)


if __name__ == "__main__":
    try:
        print(provide(sys.argv[1]))
    except NoProgramsError as error:
        sys.exit(str(error))
