"""What is deleted and what is not, by the real command, graph and serving directory."""

import shutil

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import nodes
from pipeline.runs import history, metadata
from pipeline.upkeep import leftovers, pruning
from tests.pipeline.plant import Plant
from tests.pipeline.upkeep.conftest import write

Artifact, Event = metadata_store_pb2.Artifact, metadata_store_pb2.Event
Execution = metadata_store_pb2.Execution

CACHED = dict.fromkeys(
    (nodes.TRAINER, nodes.EVALUATOR, nodes.SERVING_CHECK, nodes.PUSHER), "cached"
)


@pytest.fixture(scope="module")
def plant(tmp_path_factory, write_records):
    """One that pushed versions 1 to 3, and refused a model between the last two."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        plant = Plant(tmp_path_factory.mktemp("plant"), monkeypatch, write_records)
        for epochs in (3, 5):
            assert plant.run("--epochs", str(epochs)).code == 0
        assert plant.run("--epochs", "4").code == 3
        assert plant.run("--epochs", "9").code == 0
        plant.keep()
        yield plant


@pytest.fixture
def pushed(plant):
    plant.restore()
    return plant


def models(plant):
    """The epochs of the models whose files are there, which the books call live."""
    store = metadata.open_store(plant.place.metadata, read_only=True)
    live = [one for one in store.get_artifacts_by_type("Model") if one.state == Artifact.LIVE]
    there = set(plant.place.artifacts.glob("Trainer/model/*"))
    assert {str(path) for path in there} == {one.uri for one in live}
    return {epochs_of(path) for path in there}


def epochs_of(model):
    text = (model / "Format-Serving" / "saved_model.pb").read_text()
    return int(text.partition('"epochs": ')[2].partition(",")[0].partition("}")[0])


def prune(plant, keep):
    found = pruning.plan(plant.place, keep)
    pruning.prune(plant.place, found)
    return {heap.what for heap in found.heaps}


def test_numbers_of_states_and_events_are_those_of_ml_metadata():
    assert (pruning._LIVE, pruning._DELETED) == (Artifact.LIVE, Artifact.DELETED)
    assert (pruning._COMPLETE, pruning._CACHED) == (Execution.COMPLETE, Execution.CACHED)
    assert pruning._OUTPUT == Event.OUTPUT


def test_what_is_served_and_what_the_last_runs_need_stays(pushed):
    assert "artifacts of older runs" in prune(pushed, 1)
    # All but the refused model are versions.
    assert models(pushed) == {3, 5, 9}
    answer = pushed.run("--epochs", "9")
    assert answer.code == 0
    assert {node: answer.states[node] for node in CACHED} == CACHED


def test_model_whose_version_is_gone_goes_and_one_that_is_withdrawn_stays(pushed):
    pushed.store.rollback(2)
    shutil.rmtree(pushed.place.serving_model_dir / "1")
    prune(pushed, 1)
    # The last run's is moved aside.
    assert models(pushed) == {5, 9}


def test_all_that_the_kept_runs_made_stays(pushed):
    before = models(pushed)
    assert "artifacts of older runs" not in prune(pushed, 4)
    assert models(pushed) == before == {3, 4, 5, 9}


def test_pinned_version_and_its_model_stay(pushed):
    pushed.store.pin(1)
    pushed.run("--epochs", "10")
    prune(pushed, 1)
    assert 3 in models(pushed)


def test_last_blessed_model_stays_where_nothing_is_served(pushed):
    pushed.run("--epochs", "4")
    shutil.rmtree(pushed.place.serving_dir)
    prune(pushed, 1)
    assert models(pushed) == {4, 9}


def test_other_runs_are_still_told_of(pushed):
    before = [one.verdict for one in history.read_runs(pushed.root)]
    prune(pushed, 1)
    assert [one.verdict for one in history.read_runs(pushed.root)] == before
    logs = [(run / "pipeline.log").exists() for run in sorted(pushed.root.glob("runs/*"))]
    assert logs == [False, False, False, True]


def test_what_no_run_refers_to_goes(pushed):
    write(pushed.place.artifacts / nodes.TRAINER / "model" / "4000" / "half")
    write(pushed.place.root / "records" / ".broken-1" / "half")
    write(pushed.place.root / f"{leftovers.ASIDE}then" / "metadata.db")
    write(pushed.place.checkpoints / "0123" / "last")
    assert prune(pushed, 9) == {
        *("outputs that no run refers to", "records of other data", "checkpoints"),
        "set aside after damage",
    }
    assert not list(pushed.root.rglob("half"))
    assert prune(pushed, 9) == set()


def test_state_of_a_training_that_was_broken_off_stays(pushed):
    (pushed.root / f"{nodes.TRAINER}.broken").touch()
    assert pushed.run("--epochs", "2").code == 1
    write(pushed.place.checkpoints / "0123" / "last")
    prune(pushed, 1)
    assert (pushed.place.checkpoints / "0123" / "last").exists()


def test_kill_after_the_books_were_written_leaves_what_the_next_call_deletes(pushed, monkeypatch):
    found = pruning.plan(pushed.place, 1)
    with monkeypatch.context() as context:
        context.setattr(pruning.shutil, "rmtree", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pruning.prune(pushed.place, found)
    assert "outputs that no run refers to" in prune(pushed, 1)
    assert models(pushed) == {3, 5, 9}


def test_sizes_are_those_of_the_files(pushed):
    write(pushed.place.checkpoints / "0123" / "last")
    (pushed.place.checkpoints / "0123" / "last").write_bytes(bytes(5000))
    [heap] = pruning.plan(pushed.place, 9).heaps
    assert (heap.what, heap.size, len(heap.paths)) == ("checkpoints", 5000, 1)


def test_root_without_books_has_nothing_but_strays(place):
    assert pruning.plan(place, 1).heaps == ()
