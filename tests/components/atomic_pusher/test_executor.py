import json
from pathlib import Path

import pytest
from tfx.types import artifact_utils, standard_artifacts

from components import blessings
from components.atomic_pusher import executor
from components.atomic_pusher.executor import Executor
from components.model_store.files import sha256
from components.model_store.manifest import ModelFacts, StoreError
from components.model_store.store import Store
from components.properties import HELD_BACK, SKIPPED
from components.report.contents import Artifact
from components.verdict import Standing, read_refusals, read_standing
from trainer_module import provenance
from trainer_module.provenance import Provenance

METRICS = {"accuracy": 0.9, "loss": 0.3}
WEIGHTS = "variables.data-0"


def artifact(kind, uri, **properties):
    one = kind()
    one.uri = str(uri)
    for name, value in properties.items():
        one.set_int_custom_property(name, value)
    return one


def blessing(kind, model, blessed):
    """One that says which model it is of, as the Evaluator's and ServingCheck's do."""
    one = artifact(kind, "", blessed=blessed)
    blessings.name_model(one, model)
    return one


def inputs(uri, blessed=1, sound=1, number=1):
    """What the Pusher takes in, of a model by its number."""
    model = artifact(standard_artifacts.Model, uri)
    model.id = number
    return {
        "model": [model],
        "model_blessing": [blessing(standard_artifacts.ModelBlessing, model, blessed)],
        "infra_blessing": [blessing(standard_artifacts.InfraBlessing, model, sound)],
        "evaluation": [artifact(standard_artifacts.ModelEvaluation, "evaluation")],
    }


@pytest.fixture
def trained(make_model, tmp_path):
    """Puts a model where the Trainer would."""

    def trained(name):
        uri = tmp_path / "trained" / name
        uri.mkdir(parents=True)
        make_model(name).rename(uri / "Format-Serving")
        return uri

    return trained


@pytest.fixture
def push(directory, tmp_path, monkeypatch):
    """Runs the executor on a model; returns the artifact that it puts out."""
    monkeypatch.setattr(executor, "_overall_figures", lambda uri: METRICS)
    # What stands for a model has no graph: it is told by this file of its weights.
    monkeypatch.setattr(
        executor, "model_identity", lambda path: sha256(path / "variables" / WEIGHTS)
    )
    runs = []

    def push(given):
        runs.append(given)
        pushed = artifact(standard_artifacts.PushedModel, tmp_path / f"pushed-{len(runs)}")
        context = Executor.Context(pipeline_run_id=f"run-{len(runs)}")
        Executor(context).Do(
            given if isinstance(given, dict) else inputs(given),
            {"pushed_model": [pushed]},
            {
                "push_destination": json.dumps({"filesystem": {"base_directory": str(directory)}}),
                "custom_config": json.dumps({"server_dir": "/srv"}),
            },
        )
        return pushed

    return push


def outcome(pushed):
    """What TFX's own Pusher says, by the properties that it sets."""
    return (
        pushed.get_int_custom_property("pushed"),
        pushed.get_string_custom_property("pushed_destination"),
        pushed.get_string_custom_property("pushed_version"),
    )


def test_blessed_model_is_pushed_and_told_as_by_tfxs_pusher(push, trained, directory):
    pushed = push(trained("a"))
    assert outcome(pushed) == (1, str(directory / "1"), "1")
    assert (directory / "1" / "saved_model.pb").exists()
    # As TFX's own does, from which it takes a push from the cache.
    assert (Path(pushed.uri) / "saved_model.pb").exists()
    assert artifact_utils.get_single_uri([pushed]) == pushed.uri


def test_push_is_recorded_with_the_run_and_what_the_model_tells(push, trained, store):
    uri = trained("a")
    told = Provenance(settings={}, dataset="drawn", source="0123", commit="4567", versions={})
    provenance.write(told, uri / "Format-Serving")
    push(uri)
    version = store.find(1)
    assert version.record.facts == ModelFacts(
        run="run-1", source="0123", commit="4567", dataset="drawn", metrics=METRICS
    )
    # The version carries it, and a push is whole with it.
    assert provenance.read(version.path) == told
    assert not store.faults(version)


def test_model_that_does_not_tell_what_made_it_is_pushed_and_that_is_unknown(push, trained, store):
    push(trained("a"))
    assert store.find(1).record.facts == ModelFacts(run="run-1", metrics=METRICS)


def test_models_config_has_the_servers_path(push, trained, directory):
    push(trained("a"))
    assert '"/srv/tinyvgg"' in (directory.parent / "models.config").read_text()


def test_new_version_is_told_with_the_one_that_is_live(push, trained, directory):
    pushed = push(trained("a"))
    assert read_standing(properties(pushed), "run-1") == Standing(version=1, live=1, new=True)
    Store(directory).pin(1)
    pushed = push(trained("b"))
    assert read_standing(properties(pushed), "run-2") == Standing(version=2, live=1, new=True)


def test_older_version_is_told_with_the_newer_one_that_is_live(push, trained):
    model = trained("a")
    push(model)
    push(trained("b"))
    assert read_standing(properties(push(model)), "run-3") == Standing(1, live=2, new=False)


def properties(pushed):
    return Artifact.of(pushed.mlmd_artifact, "PushedModel").properties


INFRA, MODEL = "infra_blessing", "model_blessing"
OTHER = artifact(standard_artifacts.Model, "/another")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({MODEL: [artifact(standard_artifacts.ModelBlessing, "", blessed=0)]}, "not blessed"),
        (
            {INFRA: [artifact(standard_artifacts.InfraBlessing, "", blessed=0)]},
            "not sound to serve",
        ),
        ({MODEL: []}, "no verdict of the Evaluator"),
        ({MODEL: None}, "no verdict of the Evaluator"),
        ({INFRA: []}, "no verdict of ServingCheck"),
        ({INFRA: None}, "no verdict of ServingCheck"),
        ({MODEL: [], INFRA: []}, "no verdict of the Evaluator"),
        (
            {MODEL: [blessing(standard_artifacts.ModelBlessing, OTHER, 1)]},
            "the verdict of the Evaluator is not of this model",
        ),
        (
            {INFRA: [blessing(standard_artifacts.InfraBlessing, OTHER, 1)]},
            "the verdict of ServingCheck is not of this model",
        ),
        # It says of no model that it is of it.
        (
            {INFRA: [artifact(standard_artifacts.InfraBlessing, "", blessed=1)]},
            "the verdict of ServingCheck is not of this model",
        ),
    ],
)
def test_model_without_both_blessings_of_its_own_is_not_pushed(
    push, trained, directory, change, why
):
    given = {**inputs(trained("a")), **change}
    pushed = push({name: found for name, found in given.items() if found is not None})
    assert outcome(pushed) == (0, "", "")
    assert pushed.get_string_custom_property(SKIPPED) == why
    assert read_refusals([], properties(pushed)) == [why]
    assert not directory.exists()


def test_model_in_the_directory_of_another_is_told_apart_by_its_number(push, trained, directory):
    given = inputs(trained("a"), number=1)
    given["model"][0].id = 2
    assert outcome(push(given)) == (0, "", "")


def test_same_model_again_is_told_by_the_version_it_has(push, trained, directory):
    model = trained("a")
    assert outcome(push(model)) == outcome(push(model))
    assert [path.name for path in directory.glob("[0-9]*")] == ["1"]


def test_model_that_was_rolled_back_is_held_back(push, trained, directory):
    push(trained("a"))
    bad = trained("bad")
    push(bad)
    Store(directory).rollback()
    pushed = push(bad)
    assert outcome(pushed) == (0, "", "")
    assert pushed.get_int_custom_property(HELD_BACK) == 2
    assert pushed.get_string_custom_property(SKIPPED) == "rolled back as version 2"
    [reason] = read_refusals([], properties(pushed), "--root /r")
    assert "`python -m pipeline.serving rollback 2 --root /r` serves it again" in reason


def test_serving_directory_that_refuses_fails_the_component(push, trained, directory):
    directory.parent.parent.mkdir(exist_ok=True)
    directory.parent.write_text("a file where the serving directory should be")
    with pytest.raises(StoreError, match="can't be written"):
        push(trained("a"))


def test_same_weights_in_other_files_are_not_pushed_again(push, trained, directory):
    first = trained("boot")
    second = trained("sandal")
    weights = Path("Format-Serving", "variables", WEIGHTS)
    (second / weights).write_bytes((first / weights).read_bytes())
    push(first)
    told = push(inputs(second, number=2))
    assert told.get_string_custom_property("pushed_version") == "1"
    assert [version.number for version in Store(directory).versions()] == [1]


def test_same_weights_in_other_files_stay_held_back_after_a_rollback(push, trained, directory):
    push(trained("shirt"))
    bad, again = trained("boot"), trained("sandal")
    weights = Path("Format-Serving", "variables", WEIGHTS)
    (again / weights).write_bytes((bad / weights).read_bytes())
    push(inputs(bad, number=2))
    Store(directory).rollback()
    told = push(inputs(again, number=3))
    assert told.get_int_custom_property(HELD_BACK) == 2
    assert Store(directory).find().number == 1
