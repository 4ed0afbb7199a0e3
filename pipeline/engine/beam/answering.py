"""What a worker does when an engine is tried: it says where it is. Needs this project alone."""

import json
import platform
import socket
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pipeline

QUESTION, ANSWER = "question", "answer-"
"""The file that a worker reads, and how those begin that workers write."""

UNSEEN = "this worker sees no"
"""How a worker says that it lacks a file, whatever an engine makes of it."""


@dataclass(frozen=True)
class Place:
    """What there is on a machine, as far as the Beam stages depend on it.

    Attributes:
        host: its name.
        python: Python's version.
        beam: that of apache-beam.
        tfx: that of tfx; empty where it is not installed.
        project: that of this project.
    """

    host: str
    python: str
    beam: str
    tfx: str
    project: str

    def find_differences(self, other: "Place") -> list[str]:
        """Says in what another place differs from this one, a phrase each."""
        return [
            f"{name} {theirs or '(not installed)'} and not {ours}"
            for name, ours, theirs in (
                # Another patch of it reads the same code.
                ("Python", _minor(self.python), _minor(other.python)),
                ("apache-beam", self.beam, other.beam),
                ("tfx", self.tfx, other.tfx),
                ("this project", self.project, other.project),
            )
            if ours != theirs
        ]


def describe_here() -> Place:
    """Describes the machine that this runs on."""
    return Place(
        host=socket.gethostname(),
        python=platform.python_version(),
        beam=_version("apache-beam"),
        tfx=_version("tfx"),
        project=pipeline.__version__,
    )


def answer(number: int, directory: str) -> None:
    """Answers from a worker, which finds this function only if it can import the project."""
    try:
        asked = Path(directory, QUESTION).read_text()
        told = {"asked": asked, **asdict(describe_here())}
        Path(directory, f"{ANSWER}{number}").write_text(json.dumps(told))
    except OSError as error:
        raise RuntimeError(f"{UNSEEN} {error.filename}: {error.strerror}") from None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
