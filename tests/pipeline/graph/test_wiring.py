import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import SetupOptions
from tfx.utils import dependency_utils

import schema
from pipeline import config, data_nodes, effect, graph, nodes
from pipeline.engine.beam.arguments import make_arguments
from tests.pipeline.graph.compiled import compile_nodes, parameters, producer_of

PRESETS = sorted((Path(graph.__file__).parent / "presets").glob("*.toml"))


def test_nodes_are_those_of_the_graph_in_running_order(build):
    assert tuple(compile_nodes(build())) == nodes.NODES


def test_what_each_node_waits_for_is_that_of_the_graph(build):
    compiled = compile_nodes(build())
    assert {name: set(node.upstream_nodes) for name, node in compiled.items()} == {
        name: set(upstream) for name, upstream in nodes.UPSTREAM.items()
    }


def test_names_of_the_nodes_come_without_tfx():
    code = "import sys, pipeline.nodes; sys.exit('tfx' in sys.modules)"
    project = config.PROJECT_DIRECTORY
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False).returncode == 0


def test_every_node_is_cached(build):
    for name, node in compile_nodes(build()).items():
        assert node.execution_options.caching_options.enable_cache, name


@pytest.mark.parametrize("half", [graph, data_nodes], ids=["graph", "data_nodes"])
def test_either_half_of_the_graph_can_be_read_in_one_sitting(half):
    assert len(Path(half.__file__).read_text(encoding="utf-8").splitlines()) < 150


def test_examples_come_in_the_splits_of_the_records(build, tmp_path):
    example_gen = parameters(compile_nodes(build())[nodes.IMPORT_EXAMPLE_GEN])
    assert example_gen["input_base"] == str(tmp_path / "records")
    assert json.loads(example_gen["input_config"])["splits"] == [
        {"name": split, "pattern": f"span-{{SPAN}}/version-{{VERSION}}/{split}-*"}
        for split in ("train", "eval", "test")
    ]


def test_evaluator_looks_at_the_test_split_only(build):
    evaluator = parameters(compile_nodes(build())[nodes.EVALUATOR])
    assert json.loads(evaluator["example_splits"]) == ["test"]


def test_statistics_hold_no_image_to_count_how_often_it_occurs(build):
    statistics_gen = parameters(compile_nodes(build())[nodes.STATISTICS_GEN])
    options = json.loads(statistics_gen["stats_options_json"])
    assert options["_use_sketch_based_topk_uniques"] is True


def test_transform_analyses_the_train_split_only(build):
    transform = parameters(compile_nodes(build())[nodes.TRANSFORM])
    assert json.loads(transform["splits_config"]) == {"analyze": ["train"]}


def test_transform_writes_no_examples(build):
    [transform] = [node for node in build().components if node.id == nodes.TRANSFORM]
    assert list(transform.outputs) == ["transform_graph"]


def test_trainer_trains_on_train_and_validates_on_eval(build):
    trainer = parameters(compile_nodes(build())[nodes.TRAINER])
    assert json.loads(trainer["train_args"]) == {"splits": ["train"]}
    assert json.loads(trainer["eval_args"]) == {"splits": ["eval"]}


@pytest.mark.parametrize(
    ("node", "parameter"), [(nodes.TRANSFORM, "preprocessing_fn"), (nodes.TRAINER, "run_fn")]
)
def test_code_that_is_named_by_a_path_exists(build, node, parameter):
    module, _, function = parameters(compile_nodes(build())[node])[parameter].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_trainer_gets_every_knob_of_the_model_and_its_training(build, place, data):
    settings = config.load_config(assignments=["model.dropout=0.25", "training.epochs=3"])
    given = json.loads(parameters(compile_nodes(build(settings))[nodes.TRAINER])["custom_config"])
    assert given.pop("source")
    assert given.pop("checkpoints") == str(place.checkpoints)
    assert given == effect.trainer_parameters(settings, data)


def test_trainer_takes_the_rate_that_the_finder_found(build):
    [channel] = compile_nodes(build())[nodes.TRAINER].inputs.inputs["hyperparameters"].channels
    assert channel.producer_node_query.id == nodes.LEARNING_RATE_FINDER
    assert channel.output_key == "best_hyperparameters"


def test_finder_gets_every_knob_of_its_own_and_those_it_shares_with_the_trainer(build, data):
    settings = config.load_config(assignments=["learning_rate_finder.points=50"])
    finder = compile_nodes(build(settings))[nodes.LEARNING_RATE_FINDER]
    given = json.loads(parameters(finder)["config"])
    assert given == effect.finder_parameters(settings, data)


def test_fixed_rate_leaves_the_finder_out(build):
    settings = config.load_config(assignments=["learning_rate.source=fixed"])
    compiled = compile_nodes(build(settings))
    assert set(nodes.NODES) - set(compiled) == {nodes.LEARNING_RATE_FINDER}
    assert "hyperparameters" not in compiled[nodes.TRAINER].inputs.inputs


def test_nothing_learns_from_data_that_the_gate_did_not_let_pass(build):
    compiled = compile_nodes(build())
    assert nodes.DATA_GATE in compiled[nodes.TRANSFORM].upstream_nodes
    judged = set(compiled[nodes.DATA_GATE].upstream_nodes)
    assert {nodes.EXAMPLE_VALIDATOR, nodes.IMAGE_VALIDATOR, nodes.SKEW_VALIDATOR} <= judged


def test_eval_and_test_are_compared_with_train(build):
    validator = parameters(compile_nodes(build())[nodes.SKEW_VALIDATOR])
    assert json.loads(validator["include_split_pairs"]) == [["eval", "train"], ["test", "train"]]


@pytest.mark.parametrize(
    "reader", [nodes.EXAMPLE_VALIDATOR, nodes.TRANSFORM, nodes.TRAINER, nodes.EVALUATOR]
)
def test_data_is_read_by_the_curated_schema(build, reader):
    compiled = compile_nodes(build())
    assert producer_of(compiled, reader, "schema") == nodes.IMPORT_SCHEMA_GEN
    curated = parameters(compiled[nodes.IMPORT_SCHEMA_GEN])
    assert curated["schema_file"] == str(schema.SCHEMA_FILE)


@pytest.mark.parametrize(
    ("reader", "key", "producer"),
    [
        (nodes.EVALUATOR, "model", nodes.TRAINER),
        (nodes.EVALUATOR, "baseline_model", nodes.BASELINE_RESOLVER),
        (nodes.SERVING_CHECK, "model", nodes.TRAINER),
        (nodes.SERVING_CHECK, "examples", nodes.IMPORT_EXAMPLE_GEN),
        (nodes.SERVING_CHECK, "model_blessing", nodes.EVALUATOR),
        (nodes.PUSHER, "model", nodes.TRAINER),
        (nodes.PUSHER, "model_blessing", nodes.EVALUATOR),
        (nodes.PUSHER, "infra_blessing", nodes.SERVING_CHECK),
        (nodes.PUSHER, "evaluation", nodes.EVALUATOR),
    ],
)
def test_model_is_compared_and_pushed_by_the_way_that_is_drawn(build, reader, key, producer):
    assert producer_of(compile_nodes(build()), reader, key) == producer


def test_baseline_is_resolved_after_the_candidate_is_there(build):
    assert list(compile_nodes(build())[nodes.BASELINE_RESOLVER].upstream_nodes) == [nodes.TRAINER]


def test_every_path_derives_from_the_workspace(build, place):
    pipeline = build()
    assert pipeline.pipeline_info.pipeline_name == place.pipeline_name
    assert pipeline.pipeline_info.pipeline_root == str(place.artifacts)
    assert pipeline.metadata_connection_config.sqlite.filename_uri == str(place.metadata)
    pusher = parameters(compile_nodes(pipeline)[nodes.PUSHER])
    assert json.loads(pusher["push_destination"]) == {
        "filesystem": {"base_directory": str(place.serving_model_dir)}
    }


def test_pusher_is_told_how_the_server_sees_the_serving_directory(build):
    settings = config.load_config(assignments=["serving.server_dir=/srv"])
    given = json.loads(parameters(compile_nodes(build(settings))[nodes.PUSHER])["custom_config"])
    assert given == {"server_dir": "/srv"}


def test_serving_check_gets_every_limit(build):
    settings = config.load_config(assignments=["serving.max_load_s=7"])
    given = json.loads(parameters(compile_nodes(build(settings))[nodes.SERVING_CHECK])["config"])
    assert given == settings.serving.model_dump(mode="json", exclude={"server_dir"})
    assert given["max_load_s"] == 7


def test_serving_check_of_tfx_can_be_switched_on_instead(build):
    settings = config.load_config(assignments=["serving.check=infra_validator"])
    compiled = compile_nodes(build(settings))
    assert sorted(compiled) == sorted(nodes.NODES)
    assert "InfraValidator" in compiled[nodes.SERVING_CHECK].node_info.type.name
    given = parameters(compiled[nodes.SERVING_CHECK])
    assert json.loads(given["serving_spec"])["tensorflow_serving"]["tags"]
    assert json.loads(given["request_spec"])["split_name"] == "test"


def test_beam_gets_its_arguments(build):
    settings = config.load_config(assignments=['beam.args=["--runner=FlinkRunner"]'])
    assert build(settings).beam_pipeline_args == make_arguments(settings)


def test_beam_workers_install_this_project_and_not_a_package_that_tfx_makes_of_itself(build):
    arguments = build().beam_pipeline_args
    assert dependency_utils.make_beam_dependency_flags(arguments) == arguments


def test_another_setup_file_takes_the_place_of_the_projects(build):
    settings = config.load_config(assignments=['beam.args=["--setup_file=other.py"]'])
    options = SetupOptions(build(settings).beam_pipeline_args)
    assert options.setup_file == "other.py"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_preset_builds_the_graph_with_its_settings(build, preset, data):
    settings = config.load_config(preset)
    compiled = compile_nodes(build(settings))
    left_out = set() if settings.learning_rate.source == "finder" else {nodes.LEARNING_RATE_FINDER}
    assert set(compiled) == set(nodes.NODES) - left_out
    given = json.loads(parameters(compiled[nodes.TRAINER])["custom_config"])
    assert given["training"] == effect.trainer_parameters(settings, data)["training"]
    # None is there for nothing.
    assert effect.find_without_effect(settings, data) == []
