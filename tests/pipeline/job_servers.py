"""Servers that speak gRPC: one that has nothing to say, and job servers."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc


@contextmanager
def serve(servicer: beam_job_api_pb2_grpc.JobServiceServicer | None = None) -> Iterator[str]:
    """Runs a server; yields its address.

    Args:
        servicer: what makes it a job server, if it is to be one.
    """
    running = grpc.server(futures.ThreadPoolExecutor(1))
    if servicer:
        beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield f"localhost:{port}"
    finally:
        running.stop(0).wait()


class Describing(beam_job_api_pb2_grpc.JobServiceServicer):
    """Takes `object_reuse`, as Flink's job server does."""

    def DescribePipelineOptions(self, request, context):  # noqa: N802
        response = beam_job_api_pb2.DescribePipelineOptionsResponse()
        response.options.add().name = "object_reuse"
        return response
