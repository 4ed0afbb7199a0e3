"""A small job that says in seconds whether an engine's workers can run the Beam stages.

They must see the root under the path that it has here, import this project, and have the same
Python, Beam and TFX. Without that a stage fails late and in strange words, or is empty in the end.
"""

import json
import platform
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline
from pipeline.errors import UserError

if TYPE_CHECKING:
    from apache_beam.runners.runner import PipelineResult

_QUESTION, _ANSWER = "question", "answer-"

_PATIENCE_S = {"dataflow": 900}
"""How long an engine may take, if longer than others: Dataflow starts machines for each job."""

_USUAL_PATIENCE_S = 120
"""Enough for a pool whose workers install this project first."""

_UNSEEN = "this worker sees no"
"""How a worker says that it lacks a file of the root, whatever the engine makes of it."""

_NO_PROJECT = re.compile(r"No module named '(?:pipeline|components|trainer_module)\b")


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


@dataclass(frozen=True)
class Answer:
    """What came of a probe that went well.

    Attributes:
        workers: the places that answered, each once.
        seconds: how long it took.
    """

    workers: Sequence[Place]
    seconds: float


def describe_here() -> Place:
    """Describes the machine that this runs on."""
    return Place(
        host=socket.gethostname(),
        python=platform.python_version(),
        beam=_version("apache-beam"),
        tfx=_version("tfx"),
        project=pipeline.__version__,
    )


def probe(engine: str, beam_args: Sequence[str], root: Path, workers: int = 1) -> Answer:
    """Tries an engine. Imports Beam, which takes two seconds.

    Args:
        engine: its name.
        beam_args: what Beam is told.
        root: what the workers must share with this machine; it is there, and may be written.
        workers: how many are asked, where the engine has so many.

    Raises:
        UserError: the workers lack something, or did not answer in time.
        Exception: whatever else the engine says.
    """
    began = time.monotonic()
    with _directory(root) as directory:
        text = uuid.uuid4().hex
        (directory / _QUESTION).write_text(text)
        try:
            _run(engine, beam_args, directory, workers)
        except Exception as error:
            raise _explain(engine, root, error) or error from error
        found = list(_read_answers(directory, text))
    if len(found) < workers:
        raise UserError(
            f"What the workers of {engine} wrote into {root} is not here: mount this very "
            "directory on them under this path (docs/engines.md)."
        )
    here = describe_here()
    for place in found:
        if differences := here.find_differences(place):
            raise UserError(
                f"A worker of {engine} on {place.host} has {', '.join(differences)}: install there "
                "what this machine has (docs/engines.md)."
            )
    return Answer(list(dict.fromkeys(found)), round(time.monotonic() - began, 3))


def answer(number: int, directory: str) -> None:
    """Answers from a worker, which finds this function only if it can import the project."""
    try:
        asked = Path(directory, _QUESTION).read_text()
        told = {"asked": asked, **asdict(describe_here())}
        Path(directory, f"{_ANSWER}{number}").write_text(json.dumps(told))
    except OSError as error:
        raise RuntimeError(f"{_UNSEEN} {error.filename}: {error.strerror}") from None


def _run(engine: str, beam_args: Sequence[str], directory: Path, workers: int) -> None:
    # Here, as it takes two seconds.
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    job = beam.Pipeline(options=PipelineOptions([*beam_args, "--job_name=probe"]))
    _ = (
        job
        | "Workers" >> beam.Create(range(workers))
        | "Spread" >> beam.Reshuffle()
        | "Answer" >> beam.Map(answer, str(directory))
    )
    result = job.run()
    try:
        _wait(engine, result)
    except BaseException:
        result.cancel()
        raise


def _wait(engine: str, result: "PipelineResult") -> None:
    from apache_beam.runners.runner import PipelineState

    patience = _PATIENCE_S.get(engine, _USUAL_PATIENCE_S)
    if not PipelineState.is_terminal(result.wait_until_finish(duration=patience * 1000)):
        raise UserError(
            f"No worker of {engine} had answered after {patience} s: see whether it can start any "
            "(docs/engines.md)."
        )


def _explain(engine: str, root: Path, error: Exception) -> UserError | None:
    told = str(error)
    if _UNSEEN in told:
        return UserError(
            f"The workers of {engine} can't see {root}: mount it on them under this very path, for "
            "reading and writing (docs/engines.md)."
        )
    if found := _NO_PROJECT.search(told):
        return UserError(
            f"The workers of {engine} can't import this project ({found[0]}'): have them install "
            "what a job brings along, or install it on them (docs/engines.md)."
        )
    return None


@contextmanager
def _directory(root: Path) -> Iterator[Path]:
    # Of the permissions that all has that a run makes.
    directory = root / f".probe-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _read_answers(directory: Path, text: str) -> Iterator[Place]:
    for file in sorted(directory.glob(f"{_ANSWER}*")):
        told: dict[str, Any] = json.loads(file.read_text())
        if told.pop("asked") == text:
            yield Place(**told)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
