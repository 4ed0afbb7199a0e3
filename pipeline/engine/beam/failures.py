"""What went wrong on an engine, in a sentence: where, with which job, and why.

Engines hand on what their workers say: tracebacks of several pages, of which the last line counts,
and the words of gRPC, which know nothing of the servers that are gone.
"""

import re
from dataclasses import dataclass

from pipeline.engine.beam.reaching import describe_status, find_obstacles
from pipeline.errors import UserError

_FRAME = "  "
"""Begins the lines of a traceback that say where something was raised, and not what."""

_PREFIX = re.compile(r"^(?:Pipeline \S+ failed in state \w+: |bundle \S+ \S+ failed:)+")
_CANCELLED = re.compile(r"in state CANCELL(?:ED|ING)\b")
_LOST = re.compile(
    r"SDK (?:worker|harness).* disconnected|Lost connection to .*worker|"
    r"worker.* didn't get control connection"
)


class EngineError(UserError):
    """A job failed, or could not be begun, on an engine; the cause is its `__cause__`."""


@dataclass(frozen=True)
class Place:
    """Where jobs go.

    Attributes:
        engine: what people call it.
        address: `host:port` of its job server; None where it has none, or Beam starts one.
        pool: `host:port` of the worker pool; None where there is none.
    """

    engine: str
    address: str | None = None
    pool: str | None = None

    def __str__(self) -> str:
        """For a sentence."""
        return f"{self.engine} at {self.address}" if self.address else self.engine


def check(place: Place) -> None:
    """Checks that who is to run a job is there.

    Raises:
        EngineError: somebody is not.
    """
    for obstacle in find_obstacles(place.address, place.pool):
        raise EngineError(f"no job can be begun on {place}: {obstacle}")


def describe_failure(error: Exception, place: Place, job: str | None) -> EngineError:
    """Makes the error that says where something failed, and why.

    Args:
        error: what Beam raised.
        place: where the job was to run.
        job: what the engine calls it; None where it was not begun.
    """
    what = f"job {job} failed on {place}" if job else f"no job could be begun on {place}"
    obstacles = "; ".join(find_obstacles(place.address, place.pool))
    return EngineError(f"{what}: {obstacles or _describe(error)}")


def _describe(error: Exception) -> str:
    # Here, as it takes a while.
    import grpc

    if isinstance(error, grpc.FutureTimeoutError):
        return "its job server did not answer in time"
    if isinstance(error, grpc.Call):
        return describe_status(error)
    text = str(error)
    if _CANCELLED.search(text):
        return "it was cancelled there"
    if _LOST.search(text):
        return (
            "a worker was gone before it had done its work, as where it runs out of memory; look "
            "at its log"
        )
    return _find_last_words(text) or type(error).__name__


def _find_last_words(text: str) -> str:
    """What is said after the last traceback, or at once where there is none."""
    lines = [line for line in _PREFIX.sub("", text).rstrip().splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith(_FRAME)]
    if frames and "Traceback (most recent call last):" in text:
        return " ".join(line.strip() for line in lines[frames[-1] + 1 :] or lines[-1:])
    return lines[0].strip() if lines else ""
