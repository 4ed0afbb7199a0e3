from ml_metadata.proto import metadata_store_pb2

from pipeline import nodes
from pipeline.runs import metadata
from pipeline.upkeep import leftovers
from tests.pipeline.upkeep.conftest import write

Execution = metadata_store_pb2.Execution


def states(place):
    found = metadata.open_store(place.metadata, read_only=True).get_executions()
    return [one.last_known_state for one in found]


def files(place):
    return {
        path.relative_to(place.root).as_posix()
        for path in place.root.rglob("*")
        if path.is_file() and path != place.metadata
    }


def test_states_have_the_numbers_of_ml_metadata():
    numbers = (leftovers._NEW, leftovers._RUNNING, leftovers._FAILED)
    assert numbers == (Execution.NEW, Execution.RUNNING, Execution.FAILED)


def test_what_a_killed_run_left_is_cleared_and_what_is_finished_stays(begun):
    leftovers.clear(begun)
    assert files(begun) == {"artifacts/Transform/model/1/half", "runs/r1/pipeline.log"}
    assert states(begun) == [Execution.COMPLETE, Execution.FAILED, Execution.FAILED]


def test_clearing_needs_no_database_and_none_with_tables(place):
    leftovers.clear(place)
    place.metadata.touch()
    leftovers.clear(place)


def test_outputs_of_executions_to_come_are_set_aside(begun):
    for number in (3, 4, 70):
        write(begun.artifacts / nodes.TRAINER / "model" / str(number) / "lost")
    aside = leftovers.set_strangers_aside(begun)
    kept = {path.relative_to(aside).as_posix() for path in aside.rglob("lost")}
    assert kept == {f"artifacts/Trainer/model/{number}/lost" for number in (4, 70)}
    assert (begun.artifacts / nodes.TRAINER / "model" / "3" / "lost").exists()
    assert leftovers.set_strangers_aside(begun) is None


def test_all_outputs_are_set_aside_where_the_database_is_lost(begun):
    begun.metadata.unlink()
    aside = leftovers.set_strangers_aside(begun)
    assert len([*aside.glob("artifacts/*/*/*")]) == 3
    assert not [*begun.artifacts.glob("*/*/[0-9]*")]
