"""Whatever a root has lost, and wherever it lies, the same command ends as if nothing had been.

By the real command, graph, runner, Pusher and serving directory; stand-ins train, evaluate, and
so on.
"""

import shutil

import pytest

from pipeline import nodes
from tests.pipeline.plant import Plant

OTHER = ("--epochs", "30")


@pytest.fixture(scope="module")
def plant(tmp_path_factory, write_records):
    """One that pushed two versions."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        plant = Plant(tmp_path_factory.mktemp("plant"), monkeypatch, write_records)
        assert plant.run("--epochs", "5").code == 0
        assert plant.run().code == 0
        plant.keep()
        yield plant


@pytest.fixture
def pushed(plant):
    plant.restore()
    return plant


def made_by(plant, node):
    """Its outputs, the newest last."""
    found = plant.place.artifacts.glob(f"{node}/[!.]*/*")
    return sorted(found, key=lambda path: int(path.name))


def caches(answer):
    """All came from the cache but the resolver, which never does."""
    return {node for node, state in answer.states.items() if state == "done"} == {
        nodes.BASELINE_RESOLVER
    }


@pytest.mark.parametrize(
    "node", [one for one in nodes.NODES if one not in {nodes.BASELINE_RESOLVER, *nodes.OF_SPANS}]
)
def test_what_a_node_made_is_made_anew_once_it_is_gone(pushed, node):
    served = pushed.served()
    for directory in made_by(pushed, node):
        shutil.rmtree(directory)
    answer = pushed.run()
    assert (answer.code, answer.states[node]) == (0, "done")
    assert pushed.served() == served
    assert caches(pushed.run())
    assert len(pushed.store.versions()) == 2


def test_files_below_directories_that_stay_are_missed(pushed):
    files = [path for path in pushed.place.artifacts.glob("*/[!.]*/*/**/*") if path.is_file()]
    for path in files:
        path.unlink()
    served = pushed.served()
    answer = pushed.run()
    assert (answer.code, answer.states[nodes.TRAINER]) == (0, "done")
    assert pushed.served() == served


def test_baseline_whose_files_are_gone_fails_no_later_run(pushed):
    shutil.rmtree(pushed.place.artifacts / nodes.TRAINER / "model")
    answer = pushed.run(*OTHER)
    assert (answer.code, answer.verdict["state"]) == (0, "good")
    assert caches(pushed.run(*OTHER))


def test_part_names_what_it_needs_and_was_lost(pushed):
    shutil.rmtree(made_by(pushed, nodes.TRAINER)[-1])
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert answer.code == 2
    assert "needs what Trainer makes: what it made in the run before, " in answer.cause
    assert " is gone; start with --from-node Trainer." in answer.cause


@pytest.fixture
def elsewhere(pushed, monkeypatch):
    place = pushed.root.with_name("elsewhere")
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("flags", [(), ("--serving-dir", "{}/served")])
def test_root_that_was_moved_is_all_cached(pushed, elsewhere, monkeypatch, flags, tmp_path):
    flags = [flag.format(tmp_path) for flag in flags]
    assert pushed.run(*flags).code == 0
    pushed.root.rename(elsewhere)
    monkeypatch.setattr(pushed, "root", elsewhere)
    answer = pushed.run(*flags)
    assert answer.code == 0
    assert caches(answer)


def test_root_that_was_copied_is_all_cached_and_leaves_the_original_alone(
    pushed, elsewhere, monkeypatch
):
    shutil.copytree(pushed.root, elsewhere)
    original = pushed.root
    before = contents(original)
    monkeypatch.setattr(pushed, "root", elsewhere)
    assert caches(pushed.run())
    assert pushed.run(*OTHER).code == 0
    assert contents(original) == before
    monkeypatch.setattr(pushed, "root", original)
    assert caches(pushed.run())


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
