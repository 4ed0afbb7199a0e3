import json

import pytest

from pipeline import config, graph, nodes
from pipeline.data import preparation
from pipeline.engine.beam.arguments import make_arguments
from pipeline.fingerprint import fingerprints, installed_versions
from pipeline.workspace import Workspace
from tests.pipeline.graph.compiled import changed_nodes, compile_nodes, parameters, producer_of

LOCAL = make_arguments(config.Config())


def test_with_a_window_nobody_knows_what_fits_into_memory(build):
    settings = config.load_config(assignments=["training.memory_mb=400"])
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
    assert producer_of(compiled, nodes.TRAINER, "examples") == nodes.IMPORT_EXAMPLE_GEN


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
    assert producer_of(compile_nodes(build()), reader, key) == producer


def test_the_figures_on_the_first_test_split_decide_nothing(build):
    given = parameters(compile_nodes(build())[nodes.FIRST_TEST_EVALUATOR])
    assert "hreshold" not in given["eval_config"]
    assert json.loads(given["example_splits"]) == ["test"]


def test_other_serving_directory_pushes_and_reports_anew_and_changes_nothing_else(
    build, place, tmp_path
):
    elsewhere = Workspace(place.pipeline_name, place.root, tmp_path / "elsewhere")
    assert changed_nodes(build(), build(place=elsewhere)) == {nodes.PUSHER, nodes.REPORT}
