"""What goes wrong on a real engine is told in one sentence."""

import time

import pytest


@pytest.fixture
def server(engines, tmp_path):
    with engines.server(tmp_path) as server:
        yield server


def test_engine_that_is_well_answers(engines, commands, server, tmp_path):
    ended = commands.check(tmp_path, *engines.flags(server))
    assert (ended.code, ended.result["cause"]) == (0, None)
    assert [place["project"] for place in ended.result["workers"]]


def test_server_that_is_away_is_named_at_once(engines, commands, server, tmp_path):
    server.kill()
    began = time.monotonic()
    ended = commands.check(tmp_path, *engines.flags(server))
    assert time.monotonic() - began < 20
    assert (ended.code, ended.result["cause"]) == (1, "?")


def test_pool_that_is_away_is_named_at_once(engines, commands, server, tmp_path):
    with engines.quick_pool(tmp_path) as pool:
        pool.kill()
        ended = commands.check(tmp_path, *engines.flags(server, pool))
    assert (ended.code, ended.result["cause"]) == (1, "?")


def test_workers_that_lack_the_project_are_told_of(engines, commands, server, tmp_path):
    with engines.poor_pool(tmp_path) as pool:
        ended = commands.check(tmp_path, *engines.flags(server, pool))
    assert (ended.code, ended.result["cause"]) == (1, "?")


def test_workers_that_can_not_see_the_root_are_told_of(engines, commands, server, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with engines.quick_pool(tmp_path, hidden=root) as pool:
        ended = commands.check(root, *engines.flags(server, pool))
    assert (ended.code, ended.result["cause"]) == (1, "?")
