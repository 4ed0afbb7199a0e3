"""The settings of the engine: what each needs, and what contradicts itself."""

import pytest

from pipeline.config import load_config
from pipeline.config.running import ENGINES
from pipeline.errors import UserError

DATAFLOW = ("project=p", "region=r", "staging=gs://bucket/staging")


def load(*assignments):
    return load_config(None, [f"engine.{one}" for one in assignments]).engine


def refusal(*assignments):
    with pytest.raises(UserError) as caught:
        load(*assignments)
    return str(caught.value)


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        ("workers=2",),
        ("name=prism",),
        ("name=prism", "address=localhost:8073"),
        ("name=prism", "environment=pool", "pool_address=[::1]:50000"),
        ("name=flink", "workers=4", "environment=docker", "image=own/image:1"),
        ("name=spark", "staging=/mnt/staging"),
        ("name=portable", "address=engine.example:8099", "environment=loopback"),
        ("name=dataflow", *DATAFLOW, "image=own/image:1"),
        # Of another engine, which the same file has settings for.
        ("name=local", "address=localhost:8073", "environment=pool", "project=p"),
    ],
)
def test_engine_with_what_it_needs_is_taken(assignments):
    load(*assignments)


@pytest.mark.parametrize(
    ("assignments", "told"),
    [
        (("name=portable",), "needs address, the host:port of the job server"),
        (("name=prism", "workers=2"), "workers = 2, but Prism starts one"),
        (("name=prism", "environment=pool"), "needs pool_address, the host:port of the pool"),
        (
            ("name=flink", "pool_address=localhost:1"),
            'pool_address is for environment = "pool": set both, or none',
        ),
        (
            ("name=flink", "environment=loopback", "image=own"),
            'image is for environment = "docker": set both, or none',
        ),
        (("name=dataflow", *DATAFLOW[1:]), 'name = "dataflow" needs project'),
        (("name=dataflow", *DATAFLOW[:2]), 'name = "dataflow" needs staging'),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_named(assignments, told):
    sentence = refusal(*assignments)
    assert sentence.startswith("engine is not allowed: ")
    assert told in sentence


@pytest.mark.parametrize("key", ["address", "pool_address"])
@pytest.mark.parametrize("text", ["localhost", "http://host:1", "host:", ":80", "host:port", "''"])
def test_address_without_host_and_port_is_refused(key, text):
    shown = text.strip("'")
    told = f"engine.{key} is not allowed: {shown!r} is no host:port, such as localhost:8073."
    assert refusal("name=prism", f"{key}={text}") == told


def test_unknown_engine_is_refused_with_those_that_there_are():
    sentence = refusal("name=flnk")
    assert all(f"'{name}'" in sentence for name in ENGINES)


def test_what_an_engine_does_not_take_has_no_effect():
    assert load("name=prism").without_effect() == ["workers", "staging", "project", "region"]
