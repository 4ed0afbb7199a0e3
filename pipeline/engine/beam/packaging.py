"""This project for Beam's workers: a path for those on this machine, a file for those elsewhere.

The file is a wheel, made of the packages as they lie. To install it takes neither setuptools nor an
index, and making it writes nothing into the checkout, which may be read-only, or not be there. It
asks for no libraries: those of the workers are their environment's, since what pip would choose
might differ from here.
"""

import base64
import hashlib
import os
import zipfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pipeline
from pipeline import config
from pipeline.engine.beam.arguments import leaves_process

_NAME = "fashion_mnist_pipeline"

_PACKAGES = ("components", "pipeline", "schema", "trainer_module")
"""What a job may run, or read."""

_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: pipeline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all files, so that the same code is the same archive."""


def provide(
    settings: config.Config, directory: Path, environment: MutableMapping[str, str] = os.environ
) -> Path | None:
    """Has the workers find this project.

    Args:
        settings: every knob.
        directory: gets the file for workers elsewhere.
        environment: of this process, and of the processes that Beam starts from it.

    Returns:
        That file; None where all workers are on this machine.
    """
    if leaves_process(settings):
        return build_package(directory)
    if settings.engine.workers > 1:
        paths = (str(config.PROJECT_DIRECTORY), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        # Beam starts them by `python -m`, which looks in the working directory first.
        environment["PYTHONSAFEPATH"] = "1"
    return None


def build_package(directory: Path, project: Path = config.PROJECT_DIRECTORY) -> Path:
    """Packs the project.

    Args:
        directory: gets the file; exists.
        project: where the packages lie: a checkout, or site-packages.

    Returns:
        The file, whose name is that of the project and its version.
    """
    version = pipeline.__version__
    information = f"{_NAME}-{version}.dist-info"
    files = {
        **{path.relative_to(project).as_posix(): path.read_bytes() for path in _find(project)},
        f"{information}/METADATA": _METADATA.format(name=_NAME, version=version).encode(),
        f"{information}/WHEEL": _WHEEL.encode(),
    }
    record = f"{information}/RECORD"
    lines = [f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    wheel = directory / f"{_NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), content, zipfile.ZIP_DEFLATED)
    return wheel


def _find(project: Path) -> Iterator[Path]:
    for package in _PACKAGES:
        for path in sorted((project / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
