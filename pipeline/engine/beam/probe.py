"""A small job that says in seconds whether an engine's workers can run the Beam stages.

They must see the root under the path that it has here, import this project, and have the same
Python, Beam and TFX. Without that a stage fails late and in strange words, or is empty in the end.
"""

import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.beam.answering import (
    ANSWER,
    QUESTION,
    UNSEEN,
    Place,
    answer,
    describe_here,
)
from pipeline.engine.interrupts import Interrupts
from pipeline.errors import UserError

_PATIENCE_S = {"dataflow": 900}
"""How long an engine may take, if longer than others: Dataflow starts machines for each job."""

_USUAL_PATIENCE_S = 120
"""Enough for a pool whose workers install this project first."""

_NO_PROJECT = re.compile(r"No module named '(?:pipeline|components|trainer_module)\b")


@dataclass(frozen=True)
class Answer:
    """What came of a probe that went well.

    Attributes:
        workers: the places that answered, each once.
        seconds: how long it took.
    """

    workers: Sequence[Place]
    seconds: float


def probe(
    engine: str,
    beam_args: Sequence[str],
    root: Path,
    workers: int = 1,
    *,
    scratch: Path | None = None,
    interrupts: Interrupts | None = None,
) -> Answer:
    """Tries an engine. Imports Beam, which takes two seconds.

    Args:
        engine: its name.
        beam_args: what Beam is told.
        root: what the workers must share with this machine; it is there, and may be written.
        workers: how many are asked, where the engine has so many.
        scratch: what is below the root and gets the files of this; the root itself if None.
        interrupts: asks to stop; None where nobody does.

    Raises:
        UserError: the workers lack something, or did not answer in time, or the engine says what
            is wrong.
    """
    began = time.monotonic()
    with _directory(scratch or root) as directory:
        text = uuid.uuid4().hex
        (directory / QUESTION).write_text(text)
        try:
            _run(engine, beam_args, directory, workers, interrupts or Interrupts())
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


def _run(
    engine: str,
    beam_args: Sequence[str],
    directory: Path,
    workers: int,
    interrupts: Interrupts,
) -> None:
    # Here, as it takes two seconds.
    import apache_beam as beam

    from pipeline.engine.beam.jobs import Jobs

    jobs, late = Jobs(interrupts), threading.Event()
    patience = _PATIENCE_S.get(engine, _USUAL_PATIENCE_S)

    def give_up() -> None:
        late.set()
        jobs.cancel()

    overdue = threading.Timer(patience, give_up)
    overdue.start()
    try:
        with jobs.make_pipeline(beam_args) as job:
            _ = (
                job
                | "Workers" >> beam.Create(range(workers))
                | "Spread" >> beam.Reshuffle()
                | "Answer" >> beam.Map(answer, str(directory))
            )
    except BaseException as error:
        jobs.cancel()
        if late.is_set():
            raise UserError(
                f"No worker of {engine} had answered after {patience} s: see whether it can start "
                "any (docs/engines.md)."
            ) from error
        raise
    finally:
        overdue.cancel()


def _explain(engine: str, root: Path, error: Exception) -> UserError | None:
    told = f"{error}\n{error.__cause__}"
    if UNSEEN in told:
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
def _directory(parent: Path) -> Iterator[Path]:
    # Of the permissions that all has that a run makes.
    directory = parent / f".probe-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _read_answers(directory: Path, text: str) -> Iterator[Place]:
    for file in sorted(directory.glob(f"{ANSWER}*")):
        told: dict[str, Any] = json.loads(file.read_text())
        if told.pop("asked") == text:
            yield Place(**told)
