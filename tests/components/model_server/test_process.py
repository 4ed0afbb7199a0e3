import os
import time

import numpy as np
import pytest

from components.model_server import client, process
from components.model_server.client import ServerError
from tests import model_server


@pytest.fixture
def stand_in(tmp_path):
    """A program with TensorFlow Serving's flags; `pid` beside it has its process id."""
    program = tmp_path / "tensorflow_model_server"
    model_server.write_program(program)
    return program


def serve(program, directory, timeout_s=60):
    return process.serve(process.Server(str(program)), directory, "tinyvgg", 12, timeout_s)


def is_running(program):
    pid = int((program.parent / "pid").read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_version_is_served_over_both_and_the_server_ends_with_the_block(stand_in, model_directory):
    images = np.zeros([2, 28, 28], np.uint8)
    with serve(stand_in, model_directory) as addresses:
        assert is_running(stand_in)
        over_rest = client.ask_rest(addresses.rest, "tinyvgg", images)
        over_grpc = client.ask_grpc(addresses.grpc, "tinyvgg", images)
    assert over_rest.class_names == over_grpc.class_names
    assert not is_running(stand_in)


def test_server_ends_though_the_block_fails(stand_in, model_directory):
    with (
        pytest.raises(ZeroDivisionError),
        serve(stand_in, model_directory),
    ):
        raise ZeroDivisionError
    assert not is_running(stand_in)


def test_version_that_can_not_be_loaded_is_told(stand_in, tmp_path):
    with (
        pytest.raises(ServerError, match="could not load it: Could not find SavedModel"),
        serve(stand_in, tmp_path),
    ):
        pytest.fail("it was served")
    assert not is_running(stand_in)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("exit 7", "the server ended with exit code 7: unknown flag"),
        ("kill -s SEGV $$", "the server was ended by SIGSEGV: unknown flag"),
    ],
)
def test_server_that_ends_at_once_is_told_with_its_last_words(tmp_path, model_directory, end, told):
    program = tmp_path / "server"
    program.write_text(f"#!/bin/sh\necho one; echo unknown flag >&2; {end}\n")
    program.chmod(0o755)
    with (
        pytest.raises(ServerError, match=told),
        serve(program, model_directory),
    ):
        pytest.fail("it was served")


def test_server_that_never_serves_is_ended_after_the_time_out(tmp_path, model_directory):
    program = tmp_path / "server"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o755)
    started = time.monotonic()
    with (
        pytest.raises(ServerError, match="was not available after 1 s: no answer from "),
        serve(program, model_directory, timeout_s=1),
    ):
        pytest.fail("it was served")
    assert time.monotonic() - started < 30
    assert not is_running(program)


def test_program_is_found_by_name_on_the_path(stand_in, monkeypatch):
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=os.pathsep)
    assert process.find_server().program == str(stand_in)
    assert process.find_server(str(stand_in)).name == str(stand_in)


def test_without_the_program_it_is_the_image_in_docker(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "find_obstacle", lambda: None)
    assert process.find_server().name == "tensorflow/serving:2.19.1 in Docker"


def test_without_either_both_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ServerError, match="no tensorflow_model_server on the PATH, and there is no docker command"
    ):
        process.find_server()


def test_program_that_was_named_is_not_replaced_by_another(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "find_obstacle", lambda: None)
    with pytest.raises(ServerError, match="there is no program /no/such"):
        process.find_server("/no/such")


def test_docker_publishes_on_loopback_alone_and_hands_signals_on(tmp_path, model_directory):
    command = process._docker("/base", "tinyvgg", {"grpc": 9000, "rest": 9001})
    assert "--publish=127.0.0.1:9000:8500" in command
    assert "--publish=127.0.0.1:9001:8501" in command
    # Without an init process the server would be the first one, which a signal does not end.
    assert "--init" in command
    assert command.index("--entrypoint=tensorflow_model_server") < command.index(
        process.SERVER_IMAGE
    )
