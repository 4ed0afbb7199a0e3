import pytest

from tests.requirements.machine import Machine


@pytest.fixture
def machine(tmp_path):
    """One without uv, and without a registry that has it."""
    machine = Machine(tmp_path)
    machine.set_glibc("2.39")
    return machine


@pytest.fixture
def uv_machine(machine):
    machine.add_uv()
    return machine
