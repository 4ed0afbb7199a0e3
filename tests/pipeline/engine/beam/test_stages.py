from types import SimpleNamespace

import pytest

from pipeline import config
from pipeline.engine.beam import stages
from pipeline.engine.beam.stages import BeamStages
from pipeline.engine.interrupts import Interrupts
from pipeline.errors import UserError

INFO = SimpleNamespace(input_dict={}, output_dict={})


@pytest.fixture
def seen(monkeypatch):
    """What is done around the executors, in order."""
    seen = []
    monkeypatch.setattr(stages, "probe", lambda *told, **more: seen.append("probe"))
    monkeypatch.setattr(stages, "check_outputs", lambda *told: seen.append(told[-1]))
    return seen


def make(engine, *args):
    settings = config.Config(engine=config.Engine(name=engine), beam=config.Beam(args=args))
    return BeamStages(settings, ["--runner=X"], "/root-of-all", "/root-of-all/tmp", Interrupts())


def run(engine, seen, *args, times=1):
    around = make(engine, *args)
    for _ in range(times):
        assert around.run({}, INFO, lambda: seen.append("executor") or "made") == "made"


def test_engine_is_tried_once_before_the_first_stage(seen):
    run("prism", seen, times=2)
    assert [one for one in seen if one in ("probe", "executor")] == ["probe", *["executor"] * 2]


def test_this_machine_is_not_tried(seen):
    run("local", seen)
    assert seen == ["executor", "look at the disk, and run again"]


def test_way_out_names_what_must_be_shared_with_whom(seen):
    run("prism", seen)
    assert "the workers of prism must see /root-of-all under this very path" in seen[-1]


def test_engine_that_raw_arguments_name_is_tried_and_called_so(seen):
    run("local", seen, "--runner=PortableRunner")
    assert seen[0] == "probe"
    assert "the workers of the engine must see" in seen[-1]


def test_engine_that_failed_its_trial_runs_nothing_and_is_tried_again(seen, monkeypatch):
    def refuse(*told, **more):
        seen.append("refused")
        raise UserError("no worker")

    monkeypatch.setattr(stages, "probe", refuse)
    around = make("prism")
    for _ in range(2):
        with pytest.raises(UserError, match="no worker"):
            around.run({}, INFO, lambda: seen.append("executor"))
    assert seen == ["refused", "refused"]
