import shutil
from pathlib import Path

import pytest

from components.model_store import identity
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from pipeline import nodes
from pipeline.engine.beside import NodeFailedError
from pipeline.runs import outcome
from pipeline.runs.run_result import TrainingResult
from tests.pipeline.mill import TRAINED, Mill
from trainer_module import provenance
from trainer_module.provenance import Provenance


@pytest.fixture
def mill(tmp_path):
    return Mill(tmp_path)


@pytest.fixture(autouse=True)
def _evaluation(monkeypatch):
    """Of an evaluation, only where it lies is read."""
    monkeypatch.setattr(outcome, "read_evaluation", Path)


@pytest.fixture
def read(mill):
    """Reads a run's evaluation and the model it pushed."""

    def read(run_id):
        found = outcome.read_outcome(mill.metadata, run_id)
        return found.evaluation, found.pushed

    return read


def test_training_is_known_once_the_trainer_is_done(mill):
    mill.run("first", to_nodes=[nodes.TRAINER])
    found = outcome.read_outcome(mill.metadata, "first")
    assert found.training == TrainingResult(**TRAINED, learning_rate_warning=None)
    assert [picture.name for picture in found.pictures] == ["learning_curves.png"]


def test_what_the_model_tells_of_itself_is_part_of_the_outcome(mill):
    mill.run("first", to_nodes=[nodes.TRAINER])
    [model] = mill.root.glob("artifacts/Trainer/model/*/Format-Serving")
    made_by = Provenance({"training": {"seed": 3}}, "drawn-1", "0123", "4567", {})
    provenance.write(made_by, model)
    training = outcome.read_outcome(mill.metadata, "first").training
    told = (training.dataset, training.seed, training.source, training.commit)
    assert told == ("drawn-1", 3, "0123", "4567")


def test_what_the_finder_warned_of_and_drew_is_part_of_the_outcome(mill):
    mill.run("first", finder=True)
    found = outcome.read_outcome(mill.metadata, "first")
    assert found.training.learning_rate_warning == "the loss is flat"
    names = [picture.name for picture in found.pictures if picture.exists()]
    assert names == ["learning_rate_finder.png", "learning_curves.png"]


def test_training_that_came_from_the_cache_is_known_too(mill):
    mill.run("first", finder=True)
    assert mill.run("second", finder=True)[nodes.TRAINER] == "cached"
    first, second = (outcome.read_outcome(mill.metadata, run) for run in ("first", "second"))
    assert (first.training, first.pictures) == (second.training, second.pictures)
    assert second.training


def test_nothing_is_known_of_the_training_of_a_run_that_is_not_recorded(mill):
    found = outcome.read_outcome(mill.metadata, "first")
    assert (found.training, found.pictures) == (None, [])


def test_nothing_is_known_of_a_run_where_there_was_none(read):
    assert read("first") == (None, None)


def test_nothing_is_known_of_a_run_that_is_not_recorded(mill, read):
    mill.run("first")
    assert read("second") == (None, None)


def test_nothing_came_of_a_run_that_ended_before_the_evaluator(mill, read):
    mill.run("first", to_nodes=[nodes.TRAINER])
    assert read("first") == (None, None)


def test_nothing_came_of_a_run_whose_evaluator_failed(mill, read):
    with pytest.raises(NodeFailedError):
        mill.run("first", blessed=-1)
    assert read("first") == (None, None)


def test_run_that_ended_before_the_pusher_has_an_evaluation(mill, read):
    mill.run("first", to_nodes=[nodes.EVALUATOR])
    evaluation, pushed = read("first")
    assert (evaluation / "of").exists()
    assert pushed is None


def test_model_that_was_not_blessed_was_not_pushed(mill, read):
    assert mill.run("first", blessed=0)[nodes.PUSHER] == "done"
    evaluation, pushed = read("first")
    assert (evaluation / "of").exists()
    assert pushed is None


def test_pushed_model_is_told_by_its_directory_and_version(mill, read):
    mill.run("first")
    _, pushed = read("first")
    [version] = mill.versions()
    assert Path(pushed.path) == version
    assert pushed.version == version.name
    assert (version / "saved_model.pb").exists()


def test_run_from_the_cache_came_to_the_same(mill, read):
    mill.run("first")
    assert mill.run("second")[nodes.PUSHER] == "cached"
    assert read("second") == read("first")
    assert read("second")[1]


def test_part_came_to_what_it_took_over_and_what_it_made(mill, read):
    mill.run("first", to_nodes=[nodes.EVALUATOR])
    mill.run("second", from_nodes=[nodes.PUSHER])
    evaluation, pushed = read("second")
    assert evaluation == read("first")[0]
    assert Path(pushed.path) in mill.versions()


def test_runs_are_told_apart(mill, read):
    mill.run("first")
    mill.run("second", blessed=0)
    (first, first_pushed), (second, second_pushed) = read("first"), read("second")
    assert first != second
    assert first_pushed
    assert not second_pushed


def test_nothing_is_known_of_a_serving_check_that_did_not_run(mill):
    assert outcome.read_outcome(mill.metadata, "first").serving is None
    mill.run("first", sound=1, to_nodes=[nodes.EVALUATOR])
    assert outcome.read_outcome(mill.metadata, "first").serving is None


def test_sound_model_has_measures_and_no_reasons(mill):
    mill.run("first", sound=1)
    serving = outcome.read_outcome(mill.metadata, "first").serving
    assert (serving.reasons, serving.measures) == ([], {"size_mb": 7.0})


@pytest.mark.parametrize(
    ("sound", "reason"),
    [(0, "it is too large"), (-1, "TFX's InfraValidator refused it: see the log")],
)
def test_refused_model_has_reasons_and_is_not_pushed(mill, sound, reason):
    mill.run("first", sound=sound)
    assert outcome.read_outcome(mill.metadata, "first").serving.reasons == [reason]
    assert not mill.versions()


def test_model_that_was_rolled_back_has_that_for_a_reason(mill):
    mill.run("first", blessed=0, sound=1)
    mill.hold_back()
    [reason] = outcome.read_outcome(mill.metadata, "first", "--root /r").serving.reasons
    command = "python -m pipeline.serving rollback 7 --root /r"
    assert reason == f"it was rolled back, as version 7: `{command}` serves it again"


@pytest.fixture
def trained(mill, tmp_path):
    """A run whose model was not blessed, and the directory of that model."""
    mill.run("first", blessed=0)
    [model] = (tmp_path / "artifacts").rglob("Format-Serving")
    return model


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store" / "tinyvgg")


@pytest.fixture
def identities(monkeypatch):
    """What stands for a model's weights and graph, by its directory; one that is not is fatal."""
    found = {}
    monkeypatch.setattr(identity, "model_identity", lambda directory: found[directory])
    return found


@pytest.mark.usefixtures("identities")
def test_live_version_of_the_model_that_was_not_blessed_is_found_by_its_files(mill, trained, store):
    store.push(trained, ModelFacts())
    assert outcome.find_unfit_version(mill.metadata, "first", store) == 1


def other(tmp_path):
    """Another model, whose file differs."""
    directory = tmp_path / "other"
    directory.mkdir()
    (directory / "saved_model.pb").write_text("another model")
    return directory


def test_live_version_of_the_same_weights_in_other_files_is_found(
    mill, trained, store, identities, tmp_path
):
    store.push(other(tmp_path), ModelFacts(), "weights")
    identities[trained] = "weights"
    assert outcome.find_unfit_version(mill.metadata, "first", store) == 1


def test_another_live_version_is_not_the_model_that_was_not_blessed(
    mill, trained, store, identities, tmp_path
):
    identities[trained] = "weights"
    assert outcome.find_unfit_version(mill.metadata, "first", store) is None
    store.push(trained, ModelFacts(), "weights")
    store.push(other(tmp_path), ModelFacts(), "other weights")
    assert outcome.find_unfit_version(mill.metadata, "first", store) is None


@pytest.mark.usefixtures("identities")
def test_model_that_is_gone_is_no_live_version(mill, trained, store):
    store.push(trained, ModelFacts())
    shutil.rmtree(trained)
    assert outcome.find_unfit_version(mill.metadata, "second", store) is None
