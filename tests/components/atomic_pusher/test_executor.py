import json
from pathlib import Path

import pytest
from tfx.types import artifact_utils, standard_artifacts

from components.atomic_pusher import executor
from components.atomic_pusher.executor import HELD_BACK, Executor
from components.atomic_pusher.manifest import StoreError
from components.atomic_pusher.store import Store

METRICS = {"accuracy": 0.9, "loss": 0.3}


def artifact(kind, uri, **properties):
    one = kind()
    one.uri = str(uri)
    for name, value in properties.items():
        one.set_int_custom_property(name, value)
    return one


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
    runs = []

    def push(model, blessed=1, sound=1):
        runs.append(model)
        pushed = artifact(standard_artifacts.PushedModel, tmp_path / f"pushed-{len(runs)}")
        context = Executor.Context(pipeline_run_id=f"run-{len(runs)}")
        Executor(context).Do(
            {
                "model": [artifact(standard_artifacts.Model, model)],
                "model_blessing": [artifact(standard_artifacts.ModelBlessing, "", blessed=blessed)],
                "infra_blessing": [artifact(standard_artifacts.InfraBlessing, "", blessed=sound)],
                "evaluation": [artifact(standard_artifacts.ModelEvaluation, "evaluation")],
            },
            {"pushed_model": [pushed]},
            {
                "push_destination": json.dumps({"filesystem": {"base_directory": str(directory)}}),
                "custom_config": json.dumps(
                    {"server_dir": "/srv", "model_source": "0123", "dataset": "drawn"}
                ),
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


def test_push_is_recorded_with_run_source_dataset_and_metrics(push, trained, store):
    push(trained("a"))
    facts = store.find(1).record.facts
    assert (facts.run, facts.source, facts.dataset) == ("run-1", "0123", "drawn")
    assert facts.metrics == METRICS


def test_models_config_has_the_servers_path(push, trained, directory):
    push(trained("a"))
    assert '"/srv/tinyvgg"' in (directory.parent / "models.config").read_text()


@pytest.mark.parametrize(("blessed", "sound"), [(0, 1), (1, 0), (0, 0)])
def test_model_without_either_blessing_is_not_pushed(push, trained, directory, blessed, sound):
    pushed = push(trained("a"), blessed, sound)
    assert outcome(pushed) == (0, "", "")
    assert not directory.exists()


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


def test_serving_directory_that_refuses_fails_the_component(push, trained, directory):
    directory.parent.parent.mkdir(exist_ok=True)
    directory.parent.write_text("a file where the serving directory should be")
    with pytest.raises(StoreError, match="can't be written"):
        push(trained("a"))
