"""What goes wrong on a real engine is told in one sentence."""

import os
import re
import signal
import time
from contextlib import contextmanager, suppress

import pytest

from tests.conftest import require
from tests.engines.processes import read_job_states, run_python_job_server

PATIENCE_S = 120


@pytest.fixture
def server(engines, tmp_path):
    with engines.server(tmp_path) as server:
        yield server


def name(engines, server):
    called = {"prism": "Prism", "portable": "the engine"}[engines.name]
    return f"{called} at {server.address}"


def check_refusal(ended, pattern):
    assert ended.code == 1
    assert re.fullmatch(pattern, ended.result["cause"]), ended.result["cause"]


@contextmanager
def waiting_worker(root):
    """Has the worker that tries the engine wait for what it reads first, until the block ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := [*root.rglob(".probe-*/question")]):
        assert time.monotonic() < deadline, "no engine was tried"
        time.sleep(0.01)
    [question] = found
    question.unlink()
    os.mkfifo(question)
    writer = None
    while writer is None:
        assert time.monotonic() < deadline, "no worker has come so far"
        time.sleep(0.01)
        # Fails while nobody reads it.
        with suppress(OSError):
            writer = os.open(question, os.O_WRONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(writer)


def test_prism_can_be_had(engines):
    # Beam's job server in Python takes its place.
    require("Prism", engines.obstacle or None)


def test_engine_that_is_well_answers(engines, commands, server, tmp_path):
    ended = commands.check(tmp_path, *engines.flags(server))
    assert (ended.code, ended.result["cause"]) == (0, None)
    assert [place["project"] for place in ended.result["workers"]]


def test_job_server_that_comes_with_beam_is_an_engine_too(commands, network, tmp_path):
    with run_python_job_server(network, tmp_path) as server:
        place = ("--engine", "portable", "--set", f"engine.address={server.address}")
        ended = commands.check(tmp_path, *place)
    assert (ended.code, ended.result["cause"]) == (0, None)


def test_server_that_is_away_is_named_at_once(engines, commands, server, tmp_path):
    server.kill()
    began = time.monotonic()
    ended = commands.check(tmp_path, *engines.flags(server))
    assert time.monotonic() - began < 20
    check_refusal(ended, rf"No job server answers at {server.address} \(connection refused\); .*")


def test_pool_that_is_away_is_named_at_once(engines, commands, server, tmp_path):
    with engines.quick_pool(tmp_path) as pool:
        pool.kill()
        ended = commands.check(tmp_path, *engines.flags(server, pool))
    check_refusal(ended, rf"No worker pool answers at {pool.address} \(connection refused\); .*")


def test_pool_in_the_job_servers_place_is_told_of(engines, commands, tmp_path):
    with engines.quick_pool(tmp_path) as pool:
        ended = commands.check(tmp_path, *engines.flags(pool))
    other = r"what listens there is no job server of Beam's"
    check_refusal(ended, rf"No job server answers at {pool.address} \({other}\); .*")


def test_workers_that_lack_the_project_are_told_of(engines, commands, server, tmp_path):
    with engines.poor_pool(tmp_path) as pool:
        ended = commands.check(tmp_path, *engines.flags(server, pool))
    missing = r"can't import this project \(No module named 'pipeline'\)"
    check_refusal(ended, rf"The workers of {engines.name} {missing}: .*")


def test_workers_that_can_not_see_the_root_are_told_of(engines, commands, server, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with engines.quick_pool(tmp_path, hidden=root) as pool:
        ended = commands.check(root, *engines.flags(server, pool))
    check_refusal(ended, rf"The workers of {engines.name} can't see {root}: .*")


def test_worker_that_is_killed_is_told_of(engines, commands, server, tmp_path):
    # Beam's job server in Python waits for a worker that is gone.
    require("Prism", engines.obstacle or None)
    with (
        engines.quick_pool(tmp_path) as pool,
        commands.checking(tmp_path, *engines.flags(server, pool)) as running,
        waiting_worker(tmp_path),
    ):
        os.kill(pool.find_worker(), signal.SIGKILL)
        ended = running.end()
    lost = "a worker was gone before it had done its work"
    check_refusal(ended, rf"job \S+ failed on {name(engines, server)}: {lost}.*")


def test_server_that_is_killed_is_told_of(engines, commands, server, tmp_path):
    with (
        engines.quick_pool(tmp_path) as pool,
        commands.running(tmp_path, *engines.flags(server, pool)) as running,
        waiting_worker(tmp_path),
    ):
        server.kill()
        ended = running.end()
    assert ended.code == 1
    away = rf"no job server answers at {server.address} \(connection refused\)"
    place = name(engines, server)
    assert ended.result["failure"]["node"] == "ImportExampleGen"
    assert re.fullmatch(rf"job \S+ failed on {place}: {away}", ended.result["failure"]["cause"])


def test_interrupted_run_leaves_no_job_behind(engines, commands, server, tmp_path):
    with (
        engines.quick_pool(tmp_path) as pool,
        commands.running(tmp_path, *engines.flags(server, pool)) as running,
        waiting_worker(tmp_path),
    ):
        [*_, state] = read_job_states(engines.network, server)
        assert state == "RUNNING"
        running.process.send_signal(signal.SIGINT)
        ended = running.end()
        assert ended.code == 130
        [*_, state] = read_job_states(engines.network, server)
        assert state in ("CANCELLED", "CANCELLING")


def test_output_that_is_not_here_fails_its_node_and_is_not_taken_from_the_cache(
    engines, commands, server, tmp_path
):
    root = tmp_path / "root"
    artifacts = root / "artifacts"
    artifacts.mkdir(parents=True)
    part = ("--to-node", "ImportExampleGen")
    with engines.quick_pool(tmp_path, hidden=artifacts) as pool:
        ended = commands.run(root, *part, *engines.flags(server, pool))
    assert ended.code == 1
    examples = artifacts / "ImportExampleGen" / "examples" / "1" / "Split-train"
    assert ended.result["failure"] == {
        "node": "ImportExampleGen",
        "cause": f"{examples} has no example: the workers of {engines.name} must see {root} under "
        "this very path; share it with them, and run again.",
    }
    ended = commands.run(root, *part)
    assert (ended.code, ended.states["ImportExampleGen"]) == (0, "done")
