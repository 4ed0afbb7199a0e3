"""What a part takes over from the run before, by the real command and graph."""

import json

import pytest

from pipeline import data_nodes, fingerprint, nodes
from pipeline.engine import versions
from pipeline.runs.metadata import open_store
from tests.pipeline.plant import Plant

STRICT = ("--set", "evaluation.min_accuracy=0.95")
SMALL = ("--set", "serving.max_size_mb=0.5")
FIXED = ("--set", "learning_rate.source=fixed")


@pytest.fixture(scope="module")
def plant(tmp_path_factory, write_records):
    """One whose run before pushed a model."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        plant = Plant(tmp_path_factory.mktemp("plant"), monkeypatch, write_records)
        assert plant.run().code == 0
        plant.keep()
        yield plant


@pytest.fixture
def pushed(plant):
    plant.restore()
    return plant


@pytest.mark.parametrize(
    ("argv", "start", "cause"),
    [
        (
            ("--set", "training.seed=7", "--epochs", "9"),
            nodes.EVALUATOR,
            "--from-node Evaluator needs what LearningRateFinder makes: training.seed = 7, where "
            "the run before had 0; and what Trainer makes: training.epochs = 9, where the run "
            "before had 25; start with --from-node LearningRateFinder.",
        ),
        (
            FIXED,
            nodes.EVALUATOR,
            '--from-node Evaluator needs what Trainer makes: learning_rate.source = "fixed", where '
            'the run before had "finder"; start with --from-node Trainer.',
        ),
        (
            STRICT,
            nodes.PUSHER,
            "--from-node Pusher needs what Evaluator makes: evaluation.min_accuracy = 0.95, where "
            "the run before had 0.85; start with --from-node Evaluator.",
        ),
        (
            SMALL,
            nodes.PUSHER,
            "--from-node Pusher needs what ServingCheck makes: serving.max_size_mb = 0.5, where "
            "the run before had 20.0; start with --from-node ServingCheck.",
        ),
    ],
)
def test_settings_that_a_part_can_not_apply_are_refused_by_name(pushed, argv, start, cause):
    answer = pushed.run(*argv, from_node=start)
    assert (answer.code, answer.cause) == (2, cause)


@pytest.mark.parametrize("start", [nodes.EVALUATOR, nodes.PUSHER, nodes.REPORT])
def test_other_data_under_what_a_part_takes_over_is_refused_by_name(pushed, write_records, start):
    elsewhere = pushed.root.parent / "elsewhere"
    for split in ("train", "eval", "test"):
        write_records(elsewhere / "span-1" / "version-1" / f"{split}-0.tfrecord.gz", [1])
    answer = pushed.run("--data-dir", str(elsewhere), from_node=start)
    assert answer.code == 2
    told = f'dataset.dir = "{elsewhere}", where the run before had "{pushed.data}"'
    assert f"needs what ImportExampleGen makes: {told}; " in answer.cause


@pytest.mark.parametrize("start", [nodes.TRAINER, nodes.PUSHER])
def test_edited_schema_under_what_a_part_takes_over_is_refused_by_name(pushed, monkeypatch, start):
    monkeypatch.setattr(data_nodes, "sha256", lambda file: "edited")
    answer = pushed.run(from_node=start)
    assert answer.code == 2
    assert 'ImportSchemaGen makes: the schema\'s SHA-256 = "edited", where' in answer.cause


def test_part_goes_by_what_earlier_code_made(pushed, monkeypatch):
    edited = {node: f"edited {node}" for node in nodes.CODE}
    monkeypatch.setattr(fingerprint, "fingerprints", lambda versions: edited)
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert answer.code == 0
    assert answer.states[nodes.TRAINER] == "left out"
    # What it runs itself, it runs anew.
    assert answer.states[nodes.EVALUATOR] == "done"


def test_part_goes_by_what_an_earlier_version_of_this_project_recorded(pushed):
    """It had no `source` and no `sha256` of their own, and the former within other parameters."""
    store = open_store(pushed.place.metadata)
    executions = store.get_executions()
    for execution in executions:
        recorded = execution.custom_properties
        for name in ("source", "sha256"):
            if name in recorded:
                del recorded[name]
        if "custom_config" in recorded:
            config = json.loads(recorded["custom_config"].string_value) or {}
            config.pop("dataset", None)
            recorded["custom_config"].string_value = json.dumps({**config, "source": "0123"})
    store.put_executions(executions)
    del store
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert (answer.code, answer.cause) == (0, "")


def test_upgraded_library_runs_anew_unless_the_cache_is_to_be_kept_which_is_told(
    pushed, monkeypatch
):
    cached = {nodes.TRANSFORM: "cached", nodes.TRAINER: "cached", nodes.EVALUATOR: "cached"}
    installed = {name: "1" for code in nodes.CODE.values() for name in code.libraries}

    def run(*argv):
        answer = pushed.run(*argv)
        assert answer.code == 0
        return {node: answer.states[node] for node in cached}

    monkeypatch.setattr(versions, "installed_versions", lambda: dict(installed))
    run()
    assert run() == cached
    installed["keras"] = "2"
    assert run("--keep-cache-across-versions") == cached
    [result] = [
        one for one in pushed.root.glob("runs/*/result.json") if "as asked" in one.read_text()
    ]
    assert "keras 1 (now 2)" in result.read_text()
    assert run() == {**cached, nodes.TRAINER: "done", nodes.EVALUATOR: "done"}


@pytest.mark.parametrize("node", [nodes.STATISTICS_GEN, nodes.TRANSFORM])
def test_part_in_between_is_no_obstacle_where_it_made_nothing_anew(pushed, node):
    between = pushed.run(from_node=node, to_node=node)
    assert (between.code, between.states[node]) == (0, "cached")
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert (answer.code, answer.cause) == (0, "")
    assert answer.states[nodes.TRAINER] == "left out"


def test_what_a_part_in_between_made_anew_is_not_left_out(pushed):
    pushed.run("--no-cache", from_node=nodes.TRANSFORM, to_node=nodes.TRANSFORM)
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert answer.code == 2
    assert "needs what LearningRateFinder makes: the run before, " in answer.cause
    assert answer.cause.endswith("; start with --from-node LearningRateFinder.")


def test_settings_count_as_those_of_the_run_that_a_part_takes_over_from(pushed):
    pushed.run(from_node=nodes.STATISTICS_GEN, to_node=nodes.STATISTICS_GEN)
    assert pushed.run("--epochs", "9", from_node=nodes.EVALUATOR).code == 2


def test_a_run_that_failed_in_between_is_the_one_before(pushed):
    (pushed.root / "Transform.broken").touch()
    assert pushed.run("--no-cache", from_node=nodes.TRANSFORM).code == 1
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert answer.code == 2
    assert "did not finish it" in answer.cause
