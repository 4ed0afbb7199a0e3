"""What engines say at length is told in a sentence."""

import grpc
import pytest

from pipeline.engine.beam.failures import EngineError, Place, check, describe_failure

PRISM = Place("Prism")

TRACEBACK = """\
Pipeline job-006 failed in state FAILED: bundle inst002 stage-005 failed:\
Traceback (most recent call last):
  File "common.py", line 1499, in process
  File "probe.py", line 17, in go
    raise ValueError("a picture is\\nbroken")
ValueError: a picture is
broken

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "sdk_worker.py", line 310, in _execute
    response = task()
ValueError: a picture is
broken [while running 'Map(go)']

"""

DISCONNECTED = (
    "Pipeline job-009 failed in state FAILED: bundle inst002 stage-005 failed:SDK worker "
    "disconnected: worker[job-009[job]_ref_Environment_default_environment_1], 1 active "
    "instructions, error: context canceled"
)

DOCKER = (
    "Pipeline job-011 failed in state FAILED: failed to start environment x for job job-011[job]: "
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
)


class Rendezvous(grpc.RpcError, grpc.Call):
    """As gRPC raises it: an error that is a call, whose text is of several lines."""

    def __init__(self, code, details):
        super().__init__("<_MultiThreadedRendezvous of RPC that terminated with:\n ...>")
        self._code, self._told = code, details

    def code(self):
        return self._code

    def details(self):
        return self._told

    add_callback = cancel = initial_metadata = is_active = time_remaining = trailing_metadata = None


Rendezvous.__abstractmethods__ = frozenset()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError(TRACEBACK), "ValueError: a picture is broken [while running 'Map(go)']"),
        (
            RuntimeError(DOCKER),
            "failed to start environment x for job job-011[job]: Cannot connect to the Docker "
            "daemon at unix:///var/run/docker.sock.",
        ),
        (
            RuntimeError(DISCONNECTED),
            "a worker was gone before it had done its work, as where it runs out of memory; look "
            "at its log",
        ),
        (
            RuntimeError("Pipeline job-1 failed in state CANCELLED: unknown error"),
            "it was cancelled there",
        ),
        (
            Rendezvous(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"),
            "gRPC reports DEADLINE_EXCEEDED: Deadline Exceeded",
        ),
        (grpc.FutureTimeoutError(), "its job server did not answer in time"),
        (RuntimeError(), "RuntimeError"),
    ],
    ids=["traceback", "words", "worker", "cancelled", "grpc", "timeout", "silent"],
)
def test_cause_is_the_last_word_of_who_knows(error, cause):
    told = describe_failure(error, PRISM, "job-1")
    assert str(told) == f"job job-1 failed on Prism: {cause}"


def test_server_that_is_gone_counts_for_more_than_what_grpc_says_of_it(free_port):
    error = Rendezvous(grpc.StatusCode.UNAVAILABLE, "Stream removed")
    told = describe_failure(error, Place("Prism", f"localhost:{free_port}"), "job-1")
    assert str(told) == (
        f"job job-1 failed on Prism at localhost:{free_port}: no job server answers at "
        f"localhost:{free_port} (connection refused)"
    )


def test_engine_without_a_server_can_not_be_missing():
    check(PRISM)


def test_server_that_is_not_there_is_told_before_a_job_is_begun(free_port):
    with pytest.raises(EngineError, match=f"no job can be begun on Prism at localhost:{free_port}"):
        check(Place("Prism", f"localhost:{free_port}"))
