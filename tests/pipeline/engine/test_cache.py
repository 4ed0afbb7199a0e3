import shutil
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.model_store import files, manifest
from components.model_store.manifest import ModelFacts, Record
from pipeline import nodes
from pipeline.engine.cache import forget_outdated
from pipeline.runs import outcome
from pipeline.runs.outcome import read_outcome
from tests.pipeline.mill import Mill

Artifact = metadata_store_pb2.Artifact


@pytest.fixture
def mill(tmp_path):
    return Mill(tmp_path)


def forget(mill, runs=nodes.NODES):
    forget_outdated(mill.metadata, runs, mill.root / "serving")


def test_forgetting_needs_no_push_and_no_run_before(mill):
    forget(mill)
    mill.run("first", to_nodes=[nodes.TRAINER])
    forget(mill)
    assert mill.run("second")[nodes.PUSHER] == "done"


def test_only_pushes_whose_directory_is_gone_are_forgotten(mill):
    for number, serving in enumerate(("kept", "lost")):
        mill.run(f"run {number}", serving=serving)
    [kept], [lost] = mill.versions("kept"), mill.versions("lost")
    shutil.rmtree(lost)
    forget(mill)
    assert mill.pushed_models() == {str(kept): Artifact.LIVE, str(lost): Artifact.DELETED}


def test_push_that_is_there_is_taken_from_the_cache(mill):
    mill.run("first")
    forget(mill)
    assert mill.run("second")[nodes.PUSHER] == "cached"


def test_model_is_pushed_again_once_its_push_is_forgotten(mill, monkeypatch):
    monkeypatch.setattr(outcome, "read_evaluation", Path)
    mill.run("first")
    shutil.rmtree(mill.root / "serving")
    # Without it, TFX takes the lost push from the cache.
    assert mill.run("second")[nodes.PUSHER] == "cached"
    assert not mill.versions()
    forget(mill)
    assert read_outcome(mill.metadata, "first").pushed is None
    assert mill.run("third") == {
        nodes.TRAINER: "cached",
        nodes.EVALUATOR: "cached",
        nodes.PUSHER: "done",
    }
    [version] = mill.versions()
    assert Path(read_outcome(mill.metadata, "third").pushed.path) == version


def test_pusher_that_pushed_nothing_has_nothing_to_forget(mill):
    mill.run("first", blessed=0)
    forget(mill)
    assert mill.pushed_models() == {"": Artifact.LIVE}
    assert mill.run("second", blessed=0)[nodes.PUSHER] == "cached"


def test_push_that_was_tampered_with_is_forgotten(mill):
    mill.run("first")
    [version] = mill.versions()
    record = Record(pushed="", facts=ModelFacts(), files=files.checksums(version))
    manifest.write(version.parent, manifest.Manifest().with_record(int(version.name), record))
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.LIVE}
    (version / "saved_model.pb").write_text("tampered")
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def test_push_in_whose_place_is_no_model_is_forgotten(mill):
    mill.run("first")
    [version] = mill.versions()
    (version / "saved_model.pb").unlink()
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def test_push_that_is_aside_is_forgotten_whatever_has_its_name_now(mill):
    mill.run("first")
    [version] = mill.versions()
    aside = version.parent / ".withdrawn"
    aside.mkdir()
    version.rename(aside / version.name)
    version.mkdir()
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def test_push_that_was_held_back_is_tried_again(mill):
    mill.run("first", blessed=0)
    mill.hold_back()
    forget(mill)
    assert mill.run("second", blessed=0)[nodes.PUSHER] == "done"


@pytest.mark.parametrize("damage", [False, True])
def test_push_that_was_held_back_is_tried_again_if_what_is_aside_is_damaged(mill, damage):
    mill.run("first", blessed=0)
    mill.hold_back()
    aside = mill.root / "serving" / ".withdrawn" / "7"
    aside.mkdir(parents=True)
    (aside / "saved_model.pb").write_text("a model")
    record = Record(
        pushed="now",
        facts=ModelFacts(),
        files=files.checksums(aside),
        withdrawn="rolled back",
    )
    manifest.write(mill.root / "serving", manifest.Manifest().with_record(7, record))
    if damage:
        (aside / "saved_model.pb").write_text("tampered")
    forget(mill)
    again = mill.run("second", blessed=0)[nodes.PUSHER]
    assert again == ("done" if damage else "cached")


def test_refusal_is_not_taken_from_the_cache_and_a_blessing_is(mill):
    mill.run("refused", sound=0)
    forget(mill)
    assert mill.run("again", sound=0)[nodes.SERVING_CHECK] == "done"
    mill.run("sound", sound=1)
    forget(mill)
    assert mill.run("sound again", sound=1)[nodes.SERVING_CHECK] == "cached"


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        ([nodes.REPORT], {nodes.SERVING_CHECK: "cached", nodes.PUSHER: "cached"}),
        ([nodes.PUSHER, nodes.REPORT], {nodes.SERVING_CHECK: "cached"}),
    ],
)
def test_only_what_the_run_makes_anew_is_forgotten(mill, runs, kept):
    mill.run("pushed", sound=1)
    shutil.rmtree(mill.root / "serving")
    mill.run("refused", sound=0)
    forget(mill, runs)
    again = mill.run("again", sound=0)
    assert {node: again[node] for node in kept} == kept
    assert mill.run("sound", sound=1)[nodes.PUSHER] == kept.get(nodes.PUSHER, "done")
