import shutil
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.model_store import files, manifest
from components.model_store.manifest import ModelFacts, Record
from pipeline import nodes
from pipeline.engine.cache import checked_cache
from pipeline.runs import outcome
from pipeline.runs.metadata import open_store
from pipeline.runs.outcome import read_outcome
from pipeline.runs.relocation import mend_paths
from tests.pipeline.mill import Mill
from trainer_module.tfx_internals import cache_utils

Artifact = metadata_store_pb2.Artifact

CACHED = {nodes.TRAINER: "cached", nodes.EVALUATOR: "cached", nodes.PUSHER: "cached"}


class CheckedMill(Mill):
    """One whose runs look at what they take from the cache; `notes` are what the last one told."""

    def run(self, run_id, *, serving="serving", **options):
        with checked_cache(self.root, self.root / serving) as self.notes:
            return super().run(run_id, serving=serving, **options)

    def artifact(self, node, key) -> Path:
        [directory] = (self.root / "artifacts" / node / key).iterdir()
        return directory


@pytest.fixture
def mill(tmp_path):
    return CheckedMill(tmp_path / "root")


def test_what_is_as_it_was_made_is_taken_from_the_cache(mill):
    mill.run("first")
    assert (mill.run("second"), mill.notes) == (CACHED, [])


def lose_directory(model):
    shutil.rmtree(model)


def lose_all_below(model):
    shutil.rmtree(model / "Format-Serving")


def lose_file(model):
    (model / "Format-Serving" / "saved_model.pb").unlink()


def cut_file(model):
    (model / "Format-Serving" / "saved_model.pb").write_text("a mo")


def garble_file(model):
    (model / "Format-Serving" / "saved_model.pb").write_text("a nodel")


def add_file(model):
    (model / "Format-Serving" / "other.pb").touch()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lose_directory, "is gone"),
        (lose_all_below, "has lost Format-Serving/saved_model.pb"),
        (lose_file, "has lost Format-Serving/saved_model.pb"),
        (cut_file, "has another Format-Serving/saved_model.pb than it was made with"),
        (garble_file, "has another Format-Serving/saved_model.pb than it was made with"),
        (add_file, "has Format-Serving/other.pb, which it was not made with"),
    ],
)
def test_model_that_is_not_as_it_was_made_is_made_anew_and_told_of(mill, spoil, fault):
    mill.run("first")
    model = mill.artifact(nodes.TRAINER, "model")
    spoil(model)
    assert mill.run("second")[nodes.TRAINER] == "done"
    assert mill.notes == [f"{model} {fault}, so it was made anew"]
    states = [one.state for one in open_store(mill.metadata).get_artifacts_by_type("Model")]
    assert states == [Artifact.DELETED, Artifact.LIVE]
    assert (mill.run("third"), mill.notes) == (CACHED, [])


def test_only_the_node_whose_output_is_cut_and_what_follows_it_runs_again(mill):
    mill.run("first")
    evaluation = mill.artifact(nodes.EVALUATOR, "evaluation") / "of"
    evaluation.write_text("cut")
    assert mill.run("second") == {**CACHED, nodes.EVALUATOR: "done", nodes.PUSHER: "done"}


def test_an_artifact_that_an_earlier_version_did_not_list_need_only_be_there(mill):
    mill.run("first")
    store = open_store(mill.metadata)
    artifacts = store.get_artifacts()
    for artifact in artifacts:
        del artifact.custom_properties["files"]
    store.put_artifacts(artifacts)
    assert mill.run("second") == CACHED
    shutil.rmtree(mill.artifact(nodes.TRAINER, "model"))
    assert mill.run("third")[nodes.TRAINER] == "done"


def test_node_is_found_in_the_cache_wherever_the_root_lies(mill):
    mill.run("first")
    moved = mill.root.with_name("elsewhere")
    mill.root.rename(moved)
    mend_paths(moved / "metadata.db", moved)
    assert CheckedMill(moved).run("second") == CACHED


def test_tfx_has_its_own_cache_back_after_a_run(mill):
    before = cache_utils.get_cache_context, cache_utils.get_cached_outputs
    with checked_cache(mill.root, mill.root):
        assert cache_utils.get_cached_outputs is not before[1]
    assert (cache_utils.get_cache_context, cache_utils.get_cached_outputs) == before


def test_push_whose_directory_is_gone_is_made_again(mill, monkeypatch):
    monkeypatch.setattr(outcome, "read_evaluation", Path)
    mill.run("first")
    shutil.rmtree(mill.root / "serving")
    assert mill.run("second") == {**CACHED, nodes.PUSHER: "done"}
    [version] = mill.versions()
    assert Path(read_outcome(mill.metadata, "second").pushed.path) == version
    assert read_outcome(mill.metadata, "first").pushed is None


def test_pusher_that_pushed_nothing_has_nothing_to_forget(mill):
    mill.run("first", blessed=0)
    assert mill.run("second", blessed=0)[nodes.PUSHER] == "cached"
    assert mill.pushed_models() == {"": Artifact.LIVE}


def test_push_that_was_tampered_with_is_made_again(mill):
    mill.run("first")
    [version] = mill.versions()
    record = Record(pushed="", facts=ModelFacts(), files=files.checksums(version))
    manifest.write(version.parent, manifest.Manifest().with_record(int(version.name), record))
    assert mill.run("second")[nodes.PUSHER] == "cached"
    (version / "saved_model.pb").write_text("tampered")
    assert mill.run("third")[nodes.PUSHER] == "done"


def test_push_in_whose_place_is_no_model_is_made_again(mill):
    mill.run("first")
    [version] = mill.versions()
    (version / "saved_model.pb").unlink()
    assert mill.run("second")[nodes.PUSHER] == "done"


def test_push_that_is_aside_is_made_again_whatever_has_its_name_now(mill):
    mill.run("first")
    [version] = mill.versions()
    aside = version.parent / ".withdrawn"
    aside.mkdir()
    version.rename(aside / version.name)
    version.mkdir()
    assert mill.run("second")[nodes.PUSHER] == "done"


def test_push_that_was_held_back_is_tried_again(mill):
    mill.run("first", blessed=0)
    mill.hold_back()
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
    again = mill.run("second", blessed=0)[nodes.PUSHER]
    assert again == ("done" if damage else "cached")


def test_refusal_is_not_taken_from_the_cache_and_a_blessing_is(mill):
    mill.run("refused", sound=0)
    assert mill.run("again", sound=0)[nodes.SERVING_CHECK] == "done"
    mill.run("sound", sound=1)
    assert mill.run("sound again", sound=1)[nodes.SERVING_CHECK] == "cached"


def test_what_a_run_does_not_look_up_stays_in_the_books(mill):
    for number, serving in enumerate(("kept", "lost")):
        mill.run(f"run {number}", serving=serving)
    [kept], [lost] = mill.versions("kept"), mill.versions("lost")
    shutil.rmtree(lost)
    mill.run("again", serving="kept")
    assert mill.pushed_models() == {str(kept): Artifact.LIVE, str(lost): Artifact.LIVE}
