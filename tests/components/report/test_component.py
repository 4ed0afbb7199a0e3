import dataclasses
import json

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts

from components.report import executor
from components.report.component import _INPUTS, HtmlReport, Report
from components.report.contents import Artifact, RunFacts
from components.verdict import Verdict

FACTS = RunFacts(run="", dataset="d", configuration={"training": {"seed": 1}})


@pytest.fixture
def channels():
    return {name: types.Channel(type=kind) for name, kind in _INPUTS.items()}


def test_component_takes_every_input_and_puts_out_a_page(channels):
    report = Report(FACTS, **channels)
    assert set(report.inputs) == set(_INPUTS)
    assert report.outputs["report"].type is HtmlReport


@pytest.mark.parametrize("name", ["tuner_results", "drift"])
def test_what_not_every_run_has_may_be_left_out(channels, name):
    report = Report(FACTS, **{**channels, name: None})
    assert name not in report.inputs


def test_other_facts_are_another_key_of_the_cache(channels):
    keys = {
        Report(facts, **channels).exec_properties["config"]
        for facts in (FACTS, dataclasses.replace(FACTS, dataset="e"))
    }
    assert len(keys) == 2


def test_facts_pass_through_the_parameters_and_get_the_runs_id(channels):
    properties = Report(FACTS, **channels).exec_properties
    assert executor.read_facts(properties, "r1") == dataclasses.replace(FACTS, run="r1")


def test_executor_writes_the_page_of_the_artifacts_it_is_given(tmp_path, monkeypatch, page):
    seen = {}

    def read_page(artifacts, facts):
        seen.update(artifacts, facts=facts)
        return page.__class__(facts=facts, verdict=Verdict("open", "a label", "Seen"))

    monkeypatch.setattr(executor, "read_page", read_page)
    pushed, report = standard_artifacts.PushedModel(), HtmlReport()
    pushed.uri, report.uri, pushed.id = "/pushed", str(tmp_path), 7
    pushed.set_string_custom_property("pushed_version", "4")
    context = base_executor.BaseExecutor.Context(
        tmp_dir=str(tmp_path), unique_id="1", pipeline_run_id="r1"
    )
    executor.Executor(context).Do(
        {"pushed_model": [pushed]},
        {"report": [report]},
        {"config": json.dumps(dataclasses.asdict(FACTS))},
    )
    assert seen["pushed_model"] == Artifact(7, "PushedModel", "/pushed", {"pushed_version": "4"})
    assert seen["facts"].run == "r1"
    assert "Seen" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_artifact_is_read_as_ml_metadata_has_it():
    proto = metadata_store_pb2.Artifact(id=3, uri="/x")
    proto.custom_properties["pushed"].int_value = 1
    assert Artifact.of(proto, "PushedModel") == Artifact(3, "PushedModel", "/x", {"pushed": 1})
