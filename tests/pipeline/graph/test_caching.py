import functools
import json
import os
import re
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.compiler import compiler
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import RunOptions

import schema
from components.report.contents import Artifact
from pipeline import config, graph, nodes
from pipeline.data.kinds import OwnRecords
from pipeline.engine import dag_runner
from pipeline.engine.beam.arguments import make_arguments
from pipeline.fingerprint import find_sources, fingerprints, installed_versions
from pipeline.runs.metadata import find_output, open_store
from tests.pipeline.graph.compiled import changed_nodes, compile_nodes, parameters

LOCAL = make_arguments(config.Config())
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
        ("training.memory_mb=400", set()),
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
