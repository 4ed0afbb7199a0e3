import dataclasses
import functools
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import SetupOptions
from tfx.dsl.compiler import compiler
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import RunOptions
from tfx.utils import dependency_utils

import schema
from components.report.contents import Artifact
from pipeline import config, data_nodes, effect, graph, nodes
from pipeline.data import preparation
from pipeline.data.kinds import OwnRecords, Sample
from pipeline.engine import dag_runner
from pipeline.engine.beam.arguments import make_arguments
from pipeline.fingerprint import find_sources, fingerprints, installed_versions
from pipeline.runs.metadata import find_output, open_store
from pipeline.workspace import Workspace

LOCAL = make_arguments(config.Config())
PRESETS = sorted((Path(graph.__file__).parent / "presets").glob("*.toml"))


@pytest.fixture
def place(tmp_path):
    return Workspace("loom", tmp_path / "root", tmp_path / "serving")


@pytest.fixture
def data(tmp_path):
    return preparation.Prepared(
        source=Sample(),
        directory=tmp_path / "records",
        pattern="span-{SPAN}/version-{VERSION}/{SPLIT}-*",
        examples={"train": {"Bag": 55_000}, "eval": {"Bag": 5000}, "test": {"Bag": 10_000}},
        span=7,
    )


@pytest.fixture
def build(place, data):
    """Builds the pipeline, with a workspace of its own or another: `build(settings, place)`.

    It has all nodes, as where spans came before, unless it is told that there are no spans.
    """

    def build(settings=None, place=place, source=None, spans=True):
        known = source or fingerprints(installed_versions())
        asked = settings or config.Config()
        if spans:
            windowed = asked.dataset.model_copy(update={"window": 3})
            asked = asked.model_copy(update={"dataset": windowed})
        taken = data if spans else dataclasses.replace(data, span=None)
        return graph.create_pipeline(
            asked,
            taken,
            place,
            known,
            make_arguments(asked),
            before=preparation.Before(spans, spans),
        )

    return build


def compile_nodes(pipeline):
    """The nodes of the compiled pipeline by name, in the order in which they run."""
    compiled = compiler.Compiler().compile(pipeline)
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}


def parameters(node):
    """A node's execution properties as they are compiled, JSON as text."""
    return {
        name: value.field_value.string_value or value.field_value.int_value
        for name, value in node.parameters.parameters.items()
    }


def changed_nodes(before, after):
    """The names of the nodes whose execution properties differ."""
    before, after = (
        {name: parameters(node) for name, node in compile_nodes(pipeline).items()}
        for pipeline in (before, after)
    )
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


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
    [channel] = compiled[reader].inputs.inputs["schema"].channels
    assert channel.producer_node_query.id == nodes.IMPORT_SCHEMA_GEN
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
    [channel] = compile_nodes(build())[reader].inputs.inputs[key].channels
    assert channel.producer_node_query.id == producer


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


CACHED = set(nodes.NODES) - nodes.RESOLVERS


@pytest.mark.parametrize("check", ["process", "infra_validator"])
def test_every_node_that_is_cached_has_the_fingerprint_of_what_it_runs(build, check):
    source = {node: f"source of {node}" for node in CACHED}
    settings = config.load_config(assignments=[f"serving.check={check}"])
    compiled = compile_nodes(build(settings, source=source))
    assert {name: parameters(compiled[name])["source"] for name in CACHED} == source
    # The Trainer hands it on to the model.
    given = json.loads(parameters(compiled[nodes.TRAINER])["custom_config"])
    assert given["source"] == source[nodes.TRAINER]


@pytest.mark.parametrize("node", sorted(CACHED))
def test_edited_source_changes_what_the_node_that_runs_it_is_cached_by_and_no_other(build, node):
    source = fingerprints(installed_versions())
    assert changed_nodes(build(), build(source={**source, node: "edited"})) == {node}


@pytest.mark.parametrize("check", ["process", "infra_validator"])
def test_modules_that_are_named_and_not_imported_are_among_what_a_node_runs(build, check):
    settings = config.load_config(assignments=[f"serving.check={check}"])
    compiled = compiler.Compiler().compile(build(settings))
    deployment = runner_utils.extract_local_deployment_config(compiled)
    found = set()
    for node in (one.pipeline_node for one in compiled.nodes):
        name = node.node_info.id
        texts = [str(value) for value in parameters(node).values()]
        if name in CACHED:
            texts.append(str(runner_utils.extract_executor_spec(deployment, name)))
        for dotted in re.findall(r"(?<![\w.])(?:components|trainer_module)(?:\.\w+)+", str(texts)):
            parts = dotted.split(".")
            places = [Path(*parts[:depth]).with_suffix(".py") for depth in range(2, len(parts) + 1)]
            [file] = [place for place in places if (config.PROJECT_DIRECTORY / place).exists()]
            found.add(name)
            assert config.PROJECT_DIRECTORY / file in find_sources(nodes.CODE[name]), dotted
    # All that has code of this project, so that the search itself is not blind.
    assert found == {name for name, code in nodes.CODE.items() if code.modules}


def test_edited_schema_is_imported_anew_and_an_unchanged_one_is_not(
    build, place, tmp_path, monkeypatch
):
    edited = tmp_path / "schema.pbtxt"
    edited.write_text(schema.SCHEMA_FILE.read_text(encoding="utf-8"))
    monkeypatch.setattr(schema, "SCHEMA_FILE", edited)
    place.artifacts.mkdir(parents=True)

    def run(run_id):
        states = {}
        runner = dag_runner.ObservedDagRunner(
            run_id, lambda node, state, note: states.__setitem__(node, state)
        )
        runner.run(build(), run_options=RunOptions(to_nodes=[nodes.IMPORT_SCHEMA_GEN]))
        return states[nodes.IMPORT_SCHEMA_GEN]

    assert run("first") == "done"
    assert run("second") == "cached"
    with edited.open("a") as file:
        file.write('feature { name: "price" }\n')
    assert run("third") == "done"


def test_records_of_ones_own_are_taken_in_anew_when_what_they_hold_changes_and_only_then(
    own, place
):
    place.artifacts.mkdir(parents=True)
    files = sorted(own.directory.rglob("*.gz"))

    def run(run_id):
        states = {}
        runner = dag_runner.ObservedDagRunner(
            run_id, lambda node, state, note: states.__setitem__(node, state)
        )
        data = own.prepare(config.Dataset(), place.root)
        pipeline = graph.create_pipeline(config.Config(), data, place, fingerprints(), LOCAL)
        runner.run(pipeline, run_options=RunOptions(to_nodes=[nodes.IMPORT_EXAMPLE_GEN]))
        return states[nodes.IMPORT_EXAMPLE_GEN]

    assert run("first") == "done"
    assert run("second") == "cached"
    # A byte of gzip's header that nobody reads: neither size nor time tells.
    stat = files[0].stat()
    changed = files[0].read_bytes()[:4] + b"\1" + files[0].read_bytes()[5:]
    files[0].write_bytes(changed)
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run("third") == "done"


@pytest.mark.parametrize(
    ("pattern", "places", "span", "version"),
    [
        (
            "span-{SPAN}/version-{VERSION}/{SPLIT}-*",
            ["span-9/version-12", "span-010/version-03"],
            *(10, 3),
        ),
        ("{YYYY}-{MM}-{DD}/{SPLIT}-*", ["2025-01-31", "2025-02-01"], 20_120, None),
    ],
)
def test_examples_carry_the_number_of_the_newest_span_and_of_its_version(
    tmp_path, place, write_records, pattern, places, span, version
):
    place.artifacts.mkdir(parents=True)
    for number, below in enumerate(places):
        for split in ("train", "eval", "test"):
            write_records(tmp_path / "own" / below / f"{split}-0.gz", [number] * (number + 1))
    settings = config.load_config(assignments=[f"dataset.pattern='{pattern}'"])
    data = OwnRecords(tmp_path / "own").prepare(settings.dataset, place.root)
    pipeline = graph.create_pipeline(settings, data, place, fingerprints(), LOCAL)
    runner = dag_runner.ObservedDagRunner("first", lambda node, state, note: None)
    runner.run(pipeline, run_options=RunOptions(to_nodes=[nodes.IMPORT_EXAMPLE_GEN]))
    store = open_store(place.metadata)
    examples = find_output(store, "first", nodes.IMPORT_EXAMPLE_GEN, "examples")
    properties = Artifact.of(examples, examples.type).properties
    assert (properties["span"], properties.get("version")) == (span, version)
    [file] = Path(examples.uri, "Split-train").iterdir()
    records = tf.data.TFRecordDataset(str(file), "GZIP")
    assert len(list(records)) == len(places)


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("model.filters=[4, 4]", {nodes.LEARNING_RATE_FINDER, nodes.TRAINER}),
        ("augmentation.shift=2", {nodes.LEARNING_RATE_FINDER, nodes.TRAINER}),
        ("training.batch_size=64", {nodes.LEARNING_RATE_FINDER, nodes.TRAINER}),
        ("training.epochs=1", {nodes.TRAINER}),
        ("training.flip_averaging=false", {nodes.TRAINER}),
        ("learning_rate_finder.points=50", {nodes.LEARNING_RATE_FINDER}),
        # The rate is found.
        ("learning_rate.peak=0.5", set()),
        ("training.memory_mb=500", set()),
        ("augmentation.erase_size=5", set()),
        ("learning_rate.schedule=constant", {nodes.TRAINER}),
        ("evaluation.min_accuracy=0.5", {nodes.EVALUATOR}),
        # A check that runs anew makes another blessing, by which the Pusher runs anew.
        ("serving.max_size_mb=5", {nodes.SERVING_CHECK}),
        ("serving.server_dir=/srv", {nodes.PUSHER}),
    ],
)
def test_knob_changes_what_its_own_node_is_cached_by_and_no_other(build, assignment, changed):
    settings = config.load_config(assignments=[assignment])
    whole = functools.partial(build, spans=False)
    # The page tells of every setting that what is made may depend on.
    assert changed_nodes(whole(), whole(settings)) == changed | {nodes.REPORT}


@pytest.mark.parametrize("assignment", ["engine.name=prism", "beam.args=['--experiments=x']"])
def test_engine_changes_nothing_that_a_node_is_cached_by(build, assignment):
    settings = config.load_config(assignments=[assignment, "engine.address=localhost:1"])
    assert not changed_nodes(build(), build(settings))


def test_with_a_window_nobody_knows_what_fits_into_memory(build):
    settings = config.load_config(assignments=["training.memory_mb=500"])
    learning = {nodes.LEARNING_RATE_FINDER, nodes.TRAINER}
    assert changed_nodes(build(), build(settings)) == {*learning, nodes.REPORT}


def test_without_spans_there_is_none_of_the_nodes_that_look_for_others(build):
    assert set(compile_nodes(build(spans=False))) == set(nodes.NODES) - nodes.OF_SPANS


def test_the_first_span_of_all_is_compared_with_nothing(data, place):
    settings = config.load_config(assignments=["dataset.window=2"])
    first = graph.create_pipeline(settings, data, place, fingerprints(installed_versions()), LOCAL)
    assert set(compile_nodes(first)) & nodes.OF_SPANS == {nodes.SPAN_WINDOW}


def test_a_window_of_one_is_the_newest_span_itself(data, place):
    source = fingerprints(installed_versions())
    compiled = compile_nodes(
        graph.create_pipeline(
            config.Config(), data, place, source, LOCAL, before=preparation.Before(True, True)
        )
    )
    assert nodes.SPAN_WINDOW not in compiled
    [channel] = compiled[nodes.TRAINER].inputs.inputs["examples"].channels
    assert channel.producer_node_query.id == nodes.IMPORT_EXAMPLE_GEN


@pytest.mark.parametrize(
    ("reader", "key", "producer"),
    [
        (nodes.TRANSFORM, "examples", nodes.SPAN_WINDOW),
        (nodes.LEARNING_RATE_FINDER, "examples", nodes.SPAN_WINDOW),
        (nodes.TRAINER, "examples", nodes.SPAN_WINDOW),
        (nodes.EVALUATOR, "examples", nodes.IMPORT_EXAMPLE_GEN),
        (nodes.FIRST_TEST_EVALUATOR, "examples", nodes.FIRST_SPAN),
        (nodes.DRIFT_VALIDATOR, "baseline_statistics", nodes.DRIFT_BASELINE),
        (nodes.DATA_GATE, "drift", nodes.DRIFT_VALIDATOR),
    ],
)
def test_what_is_learnt_is_the_window_and_what_is_judged_the_newest_span(
    build, reader, key, producer
):
    [channel] = compile_nodes(build())[reader].inputs.inputs[key].channels
    assert channel.producer_node_query.id == producer


def test_the_figures_on_the_first_test_split_decide_nothing(build):
    given = parameters(compile_nodes(build())[nodes.FIRST_TEST_EVALUATOR])
    assert "hreshold" not in given["eval_config"]
    assert json.loads(given["example_splits"]) == ["test"]


def test_other_serving_directory_pushes_and_reports_anew_and_changes_nothing_else(
    build, place, tmp_path
):
    elsewhere = Workspace(place.pipeline_name, place.root, tmp_path / "elsewhere")
    assert changed_nodes(build(), build(place=elsewhere)) == {nodes.PUSHER, nodes.REPORT}
