"""Prints the states of all jobs of the job server at an address, as JSON."""

import json
import sys

import grpc
from apache_beam.portability.api import beam_job_api_pb2 as api
from apache_beam.portability.api import beam_job_api_pb2_grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
    jobs = stub.GetJobs(api.GetJobsRequest(), timeout=10).job_info
    print(
        json.dumps(
            [api.JobState.Enum.Name(job.state) for job in sorted(jobs, key=lambda job: job.job_id)]
        )
    )
