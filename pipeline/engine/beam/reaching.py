"""Whether anybody answers where a job is to go, so that nobody waits for one who is not there.

Beam waits for a job server for as long as a job may take.
"""

import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.config.running import Engine
from pipeline.errors import UserError

if TYPE_CHECKING:
    import grpc

ANSWER_S = 5.0
"""In which a server answers, if it is there."""

_DESCRIBE = "/org.apache.beam.model.job_management.v1.JobService/DescribePipelineOptions"
"""What Beam asks a job server first for each job, which so goes to none that can't answer it."""


def check_engine(engine: Engine) -> None:
    """Checks that the servers that the settings name answer, and that one is a job server.

    Raises:
        UserError: one does not, or is none; the sentence says which, and why.
    """
    if "address" in engine.without_effect():
        return
    pool = engine.pool_address if engine.environment == "pool" else None
    for obstacle in find_obstacles(engine.address, pool):
        raise _refusal(obstacle)
    if engine.address:
        ask_job_server(engine.address)


def ask_job_server(address: str, answer_s: float = ANSWER_S) -> bytes:
    """Asks a job server, which is there, what arguments it takes.

    Does so without Beam, which takes two seconds to import.

    Args:
        address: its `host:port`.
        answer_s: how long it may take to answer, in seconds.

    Returns:
        A serialized `DescribePipelineOptionsResponse`.

    Raises:
        UserError: it is no job server, or does not answer.
    """
    # Here, as it takes a while, and most runs need none.
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            return channel.unary_unary(_DESCRIBE)(b"", timeout=answer_s)
        except grpc.RpcError as error:
            why = _describe_error(error, address, answer_s)
            raise _refusal(_no_job_server(address, why)) from error


def _describe_error(error: "grpc.Call", address: str, answer_s: float) -> str:
    """Says why a call came to nothing, of what a moment ago took connections."""
    match error.code().name:
        case "UNIMPLEMENTED":
            return "what listens there is no job server of Beam's"
        case "DEADLINE_EXCEEDED":
            return _too_slow(answer_s)
        case _:
            return _find_refusal(address, answer_s) or describe_status(error)


def describe_status(error: "grpc.Call") -> str:
    """Says what a call came to, as gRPC tells it: a clause of one line."""
    [told, *_] = (error.details() or "without a word").splitlines()
    return f"gRPC reports {error.code().name}: {told}"


def _refusal(obstacle: str) -> UserError:
    return UserError(
        f"{obstacle[0].upper()}{obstacle[1:]}; start it, or set engine.address and "
        "engine.pool_address to where it is."
    )


def _no_job_server(address: str, why: str) -> str:
    return f"no job server answers at {address} ({why})"


def find_obstacles(address: str | None, pool: str | None) -> Iterator[str]:
    """Looks for the servers by which a job is run.

    Args:
        address: `host:port` of the job server; None where there is none yet.
        pool: `host:port` of the worker pool, as the engine reaches it; None where there is none.

    Yields:
        A clause for each that is not there.
    """
    if not address:
        return
    if why := find_obstacle(address):
        yield _no_job_server(address, why)
    # Elsewhere, it may be one that the engine reaches, and this machine does not.
    is_neighbour = pool and _host(pool) == _host(address)
    if pool and is_neighbour and (why := find_obstacle(pool)):
        yield f"no worker pool answers at {pool} ({why})"


def find_obstacle(address: str, answer_s: float = ANSWER_S) -> str | None:
    """Looks for a server that speaks gRPC.

    Args:
        address: its `host:port`.
        answer_s: how long it may take to answer, in seconds.

    Returns:
        A clause that says why there is none; None if there is.
    """
    deadline = time.monotonic() + answer_s
    if not address.rpartition(":")[2].isdecimal():
        return "it is no host:port"
    if why := _find_refusal(address, answer_s):
        return why
    # Here, as it takes a while, and most runs need none.
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            left = max(0.1, deadline - time.monotonic())
            grpc.channel_ready_future(channel).result(left)
        except grpc.FutureTimeoutError:
            # One that ends right now takes a last connection and answers no more.
            dumb = "what listens there does not speak gRPC, as Beam does, or hangs"
            return _find_refusal(address, answer_s) or dumb
    return None


def _find_refusal(address: str, answer_s: float) -> str | None:
    host_and_port = (_host(address), int(address.rpartition(":")[2]))
    try:
        with socket.create_connection(host_and_port, timeout=answer_s):
            return None
    except TimeoutError:
        return _too_slow(answer_s)
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _too_slow(answer_s: float) -> str:
    return f"it did not answer within {answer_s:g} s"


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
