"""Who is not there is told at once, and why."""

import socket
import threading
import time

import grpc
import pytest

from pipeline.config import load_config
from pipeline.engine.beam.reaching import (
    ask_job_server,
    check_engine,
    find_obstacle,
    find_obstacles,
)
from pipeline.errors import UserError
from tests.pipeline.job_servers import Describing, serve


@pytest.fixture
def server():
    """The address of a server that speaks gRPC, and has nothing to say."""
    with serve() as address:
        yield address


@pytest.fixture
def silent_port():
    """One that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def engine(*assignments):
    return load_config(None, [f"engine.{one}" for one in assignments]).engine


def test_server_that_answers_is_no_obstacle(server):
    assert find_obstacle(server) is None


@pytest.mark.parametrize("address", ["localhost:{}", "127.0.0.1:{}"])
def test_port_at_which_nobody_listens_is_told_at_once(address, free_port):
    began = time.monotonic()
    assert find_obstacle(address.format(free_port)) == "connection refused"
    assert time.monotonic() - began < 5


def test_host_that_nobody_knows_is_told():
    assert "name" in find_obstacle("nowhere.invalid:1")


def test_what_speaks_something_else_is_told_in_time(silent_port):
    told = find_obstacle(f"localhost:{silent_port}", answer_s=0.5)
    assert told == "what listens there does not speak gRPC, as Beam does, or hangs"


def test_what_is_no_address_is_told():
    assert find_obstacle("localhost") == "it is no host:port"


def test_pool_beside_the_job_server_is_looked_for_too(server, free_port):
    told = [*find_obstacles(server, f"localhost:{free_port}")]
    assert told == [f"no worker pool answers at localhost:{free_port} (connection refused)"]


def test_pool_elsewhere_may_be_one_that_only_the_engine_reaches(server, free_port):
    assert not [*find_obstacles(server, f"127.0.0.1:{free_port}")]


def refuse(address):
    """What is said of an engine whose job server is to be there."""
    with pytest.raises(UserError) as caught:
        check_engine(engine("name=prism", f"address={address}"))
    return str(caught.value)


def test_job_server_that_is_not_there_is_refused_with_what_to_do(free_port):
    assert refuse(f"localhost:{free_port}") == (
        f"No job server answers at localhost:{free_port} (connection refused); start it, or set "
        "engine.address and engine.pool_address to where it is."
    )


def test_server_that_is_no_job_server_is_refused_with_what_to_do(server):
    assert refuse(server) == (
        f"No job server answers at {server} (what listens there is no job server of Beam's); start "
        "it, or set engine.address and engine.pool_address to where it is."
    )


def test_job_server_is_taken():
    with serve(Describing()) as address:
        check_engine(engine("name=portable", f"address={address}"))


def why_not(address):
    """Why a server that takes connections tells nothing."""
    with pytest.raises(UserError) as caught:
        ask_job_server(address, answer_s=0.5)
    told, prefix = str(caught.value), f"No job server answers at {address} ("
    assert told.startswith(prefix)
    return told.removeprefix(prefix).partition("); start it, or set ")[0]


def test_job_server_that_does_not_answer_is_told_in_time():
    ended = threading.Event()

    class Slow(Describing):
        def DescribePipelineOptions(self, request, context):  # noqa: N802
            ended.wait(20)

    with serve(Slow()) as address:
        began = time.monotonic()
        assert why_not(address) == "it did not answer within 0.5 s"
        assert time.monotonic() - began < 5
        ended.set()


def test_job_server_that_ends_before_it_is_asked_is_told(free_port):
    assert why_not(f"localhost:{free_port}") == "connection refused"


def test_job_server_that_has_a_fault_is_told_in_its_first_line():
    class Faulty(Describing):
        def DescribePipelineOptions(self, request, context):  # noqa: N802
            context.abort(grpc.StatusCode.UNAVAILABLE, "out of order\nfor now")

    with serve(Faulty()) as address:
        assert why_not(address) == "gRPC reports UNAVAILABLE: out of order"


def test_address_is_not_looked_at_where_the_engine_has_none(free_port):
    check_engine(engine(f"address=localhost:{free_port}"))
    check_engine(engine("name=prism"))
