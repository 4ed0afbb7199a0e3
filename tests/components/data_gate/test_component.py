import json

import pytest
from tfx import types

from components.data_gate.component import _INPUTS, DataBlessing, DataGate

CONFIG = {"severities": {"default": "stop"}, "max_leaked": 0.1, "max_conflicting": 0.1}


@pytest.fixture
def channels():
    return {name: types.Channel(type=kind) for name, kind in _INPUTS.items()}


def test_component_takes_every_input_and_puts_out_a_blessing(channels):
    gate = DataGate(CONFIG, **channels)
    assert set(gate.inputs) == set(_INPUTS)
    assert gate.outputs["blessing"].type is DataBlessing


def test_without_data_before_there_is_nothing_to_drift_from(channels):
    assert "drift" not in DataGate(CONFIG, **{**channels, "drift": None}).inputs


def test_bounds_are_part_of_the_cache_key(channels):
    other = {**CONFIG, "max_leaked": 0.2}
    keys = {DataGate(one, **channels).exec_properties["config"] for one in (CONFIG, other)}
    assert [json.loads(key)["max_leaked"] for key in sorted(keys)] == [0.1, 0.2]
