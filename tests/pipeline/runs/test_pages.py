import dataclasses
import datetime
import errno
import json
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.report import reading
from components.report.contents import REPORT_FILE, Page, RunFacts
from components.report.render import render_report
from components.verdict import Standing, judge
from pipeline import config, nodes, workspace
from pipeline.data import preparation
from pipeline.data.kinds import OwnRecords, Sample
from pipeline.engine import worker
from pipeline.engine.beside import NodeFailedError
from pipeline.engine.interrupts import InterruptedRunError, Interrupts
from pipeline.errors import ExitCode
from pipeline.runs import metadata, pages, run_result
from pipeline.runs.outcome import Outcome
from pipeline.runs.run_result import Failure, Pushed, RunResult, ServingResult, TrainingResult
from pipeline.workspace import LOG_FILE, RESULT_FILE, Workspace
from tests.evaluations import LOW_RECALL, evaluation, overall_metrics

STARTED = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)


@pytest.fixture
def add_run(tmp_path):
    """Leaves the result of a run, and perhaps its page, in a root."""

    def add_run(run_id, *, page=True, **fields):
        directory = workspace.runs(tmp_path) / run_id
        directory.mkdir(parents=True)
        (directory / LOG_FILE).touch()
        result = RunResult(run_id=run_id, started=STARTED, dataset="sample", **fields)
        (directory / RESULT_FILE).write_text(result.to_json(), encoding="utf-8")
        if page:
            (directory / REPORT_FILE).write_text("<p>page</p>")
        return directory

    return add_run


def index(root):
    pages.write_index(root)
    return (root / "index.html").read_text(encoding="utf-8")


def test_runs_are_listed_newest_first_with_links_to_their_pages(add_run, tmp_path):
    add_run(
        "2026-11-24T12-00-00.001",
        evaluation=evaluation(overall=overall_metrics(accuracy=0.9249)),
        pushed=Pushed(path="/s/4", version="4"),
    )
    add_run("2026-11-24T13-00-00.001", page=False, failure=Failure(cause="no luck"))
    html = index(tmp_path)
    assert html.index("no luck") < html.index("0.9249")
    assert 'href="runs/2026-11-24T12-00-00.001/report.html"' in html
    assert "runs/2026-11-24T13" not in html


def test_list_names_the_data_that_the_model_was_trained_on(add_run, tmp_path):
    figures = {
        name: 1
        for name, field in TrainingResult.model_fields.items()
        if field.annotation in (int, float)
    }
    known = {"learning_rate_warning": None, "dataset": "drawn-1", "source": "", "commit": ""}
    add_run("2026-11-24T12-00-00.001", training=TrainingResult(**{**figures, **known}))
    assert ">drawn-1<" in index(tmp_path)
    assert ">sample<" not in index(tmp_path)


def test_list_names_the_data_of_the_run_if_the_model_does_not_tell(add_run, tmp_path):
    add_run("2026-11-24T12-00-00.001")
    assert ">sample<" in index(tmp_path)


def test_paths_of_the_links_lead_to_the_pages(add_run, tmp_path):
    directory = add_run("2026-11-24T12-00-00.001")
    [link] = [part.split('"')[0] for part in index(tmp_path).split('href="')[1:] if "runs" in part]
    assert tmp_path / link == directory / REPORT_FILE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"evaluation": evaluation()}, ">blessed<"),
        (
            {"evaluation": evaluation(), "serving": ServingResult(reasons=["it is too large"])},
            ">not pushed<.*it is too large",
        ),
        (
            {
                "evaluation": evaluation(),
                "pushed": Pushed(path="/s/3", version="3", live_version="1"),
            },
            ">waits for a pin<.*version 1 is pinned and stays live",
        ),
        ({"evaluation": evaluation(LOW_RECALL)}, f">not blessed<.*{LOW_RECALL.sentence}"),
        (
            {"failure": Failure(node="Trainer", cause="no luck")},
            ">failed<.*Trainer failed: no luck",
        ),
        ({"exit_code": ExitCode.INTERRUPTED, "failure": Failure(cause="x")}, ">interrupted<"),
        ({}, ">not judged<"),
    ],
)
def test_list_says_what_became_of_each_run_and_why(add_run, tmp_path, fields, words):
    add_run("2026-11-24T12-00-00.001", **fields)
    html = index(tmp_path)
    for word in words.split(".*"):
        assert word in html


def test_run_whose_worker_left_no_page_gets_one_with_the_cause(tmp_path):
    failure = Failure(cause="the worker was <killed>")
    pages.write_bare_report(tmp_path, RunResult(run_id="r1", failure=failure))
    html = (tmp_path / REPORT_FILE).read_text(encoding="utf-8")
    assert "The run failed" in html
    assert "the worker was &lt;killed&gt;" in html


def test_interrupted_run_is_told_as_such(tmp_path):
    result = RunResult(
        run_id="r1", failure=Failure(cause="interrupted"), exit_code=ExitCode.INTERRUPTED
    )
    pages.write_bare_report(tmp_path, result)
    assert "Interrupted" in (tmp_path / REPORT_FILE).read_text(encoding="utf-8")


def test_page_that_is_there_is_kept(tmp_path):
    (tmp_path / REPORT_FILE).write_text("whole")
    pages.write_bare_report(tmp_path, RunResult(run_id="r1", failure=Failure(cause="x")))
    assert (tmp_path / REPORT_FILE).read_text() == "whole"


OWN = OwnRecords(Path("/data"))
COUNTS = {"train": {"Bag": 8}, "eval": {"Bag": 2}, "test": {"Bag": 2}}


def prepared(source):
    return preparation.Prepared(source, Path("/r/records/data-1"), "*", COUNTS)


@pytest.mark.parametrize(
    ("paths", "source", "flags"),
    [
        ({"root": "/r"}, OWN, "--root /r"),
        ({"root": "/r s"}, OWN, "--root '/r s'"),
        (
            {"root": "/r", "serving_dir": "/s"},
            *(OWN, "--root /r --serving-dir /s"),
        ),
        ({"root": "/r"}, Sample(), "--root /r --dataset sample"),
    ],
)
def test_facts_name_the_serving_directory_as_the_serving_command_takes_it(paths, source, flags):
    settings = config.load_config(flags={f"paths.{key}": value for key, value in paths.items()})
    place = workspace.workspace(settings.paths, source.dataset)
    facts = pages.report_facts(settings, prepared(source), place)
    assert facts.flags == flags
    assert facts.dataset == "data-1"
    assert facts.configuration["training"]["seed"] == 0


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (17, "17 of 60,000 examples were set aside, not being what examples must be: "),
        (1, "1 of 60,000 examples was set aside, not being what examples must be: "),
    ],
)
def test_facts_say_what_was_set_aside_and_how_to_see_it(count, said):
    settings = config.load_config(flags={"paths.root": "/r s"})
    place = workspace.workspace(settings.paths, OWN.dataset)
    aside = preparation.SetAside(count, 60_000, "/r s/records/data-1")
    data = dataclasses.replace(prepared(OWN), set_aside=aside)
    command = "`python -m pipeline.dataset quarantine --root '/r s'` lists them"
    assert pages.report_facts(settings, data, place).notes == [said + command]


class FakeRunner:
    """Stands for the runner, and ends as it is told."""

    error = None

    def __init__(self, run_id, observe, **options):
        pass

    def run(self, pipeline, run_options):
        if self.error:
            raise self.error


@pytest.fixture
def run_graph(tmp_path, monkeypatch):
    """Runs the worker's part on a graph that ends as told; returns what it told."""
    from pipeline.engine import dag_runner

    def run_graph(cause=None, before=lambda: None):
        before()
        error = NodeFailedError("Trainer")
        error.__cause__ = cause
        monkeypatch.setattr(FakeRunner, "error", error if cause else None)
        monkeypatch.setattr(dag_runner, "ObservedDagRunner", FakeRunner)
        place = Workspace("p", tmp_path, tmp_path / "serving")
        place.run_dir("r1").mkdir(parents=True)
        request = SimpleNamespace(
            config=config.Config(),
            run_id="r1",
            from_node=None,
            to_node=None,
            cache=True,
            keep_versions=False,
        )
        finished = worker._run_graph(
            request, prepared(OWN), place, lambda event: None, Interrupts()
        )
        page = place.run_dir("r1") / REPORT_FILE
        return finished, page.read_text(encoding="utf-8") if page.exists() else None

    yield run_graph
    logging.getLogger("trainer_module.progress_log").handlers.clear()


def test_run_that_failed_before_the_evaluator_gets_a_page_with_its_settings(run_graph):
    finished, page = run_graph(ValueError("no luck"))
    assert finished.failure == run_result.Failure(node="Trainer", cause="ValueError: no luck")
    assert "Trainer failed" in page
    assert "ValueError: no luck" in page
    assert "the run did not get past the Evaluator" in page
    assert "training.seed" in page


def test_run_that_was_interrupted_in_a_node_gets_a_page_that_says_so(run_graph):
    finished, page = run_graph(InterruptedRunError())
    assert finished.interrupted
    assert "Interrupted: run it again, and the finished components are kept" in page


def test_run_that_ended_early_as_asked_gets_a_page(run_graph):
    finished, page = run_graph()
    assert finished.failure is None
    assert "Ended before the Evaluator" in page


def test_page_that_can_not_be_made_does_not_hide_what_the_run_came_to(
    run_graph, monkeypatch, caplog
):
    def fail(*arguments, **options):
        raise OSError("disk full")

    finished, page = run_graph(
        ValueError("no luck"), before=lambda: monkeypatch.setattr(pages, "write_report", fail)
    )
    assert finished.failure.cause == "ValueError: no luck"
    assert page is None
    assert "disk full" in caplog.text


@pytest.fixture
def write_report(tmp_path, monkeypatch):
    """Writes the page of the run r2 in which the nodes ended so: its text, and what was judged."""
    made = tmp_path / "made"
    made.mkdir()
    page = Page(RunFacts(run="r1"), judge(evaluation(), [], Standing(1, 1)))
    (made / REPORT_FILE).write_text(render_report(page), encoding="utf-8")

    def read_verdict(artifacts, facts, *, idle):
        return judge(evaluation(), [], Standing(1, 1, new=False), idle=idle)

    monkeypatch.setattr(reading, "read_verdict", read_verdict)
    monkeypatch.setattr(metadata, "open_store", lambda file: None)
    found = SimpleNamespace(uri=str(made))
    monkeypatch.setattr(metadata, "find_output", lambda *_: found)
    report = SimpleNamespace(
        id=nodes.REPORT, inputs={}, exec_properties={"config": json.dumps({"run": ""})}
    )

    def write_report(**states):
        components = {node: run_result.NodeResult(state=state) for node, state in states.items()}
        monkeypatch.setattr(metadata, "read_nodes", lambda store, run: components)
        place = Workspace("p", tmp_path, tmp_path / "serving")
        place.run_dir("r2").mkdir(parents=True, exist_ok=True)
        pages.write_report(SimpleNamespace(components=[report]), place, "r2", None)
        return (place.run_dir("r2") / REPORT_FILE).read_text(encoding="utf-8")

    return write_report


def test_page_that_the_run_made_is_its_page(write_report, tmp_path):
    page = write_report(Trainer="done", Report="done")
    assert page == (tmp_path / "made" / REPORT_FILE).read_text(encoding="utf-8")
    assert page.count("Blessed and pushed as version 1") == 2


@pytest.mark.parametrize(
    ("trainer", "headline"),
    [
        ("cached", "Nothing to do: already live as version 1"),
        ("done", "Blessed, and already live as version 1"),
    ],
)
def test_page_of_an_earlier_run_tells_what_became_of_the_model_in_this_one(
    write_report, trainer, headline
):
    page = write_report(Trainer=trainer, Report="cached")
    # In the title, and in the verdict.
    assert page.count(headline) == 2
    assert "Blessed and pushed" not in page


def test_outcome_that_can_not_be_read_hides_no_failure_and_passes_for_none(
    run_graph, monkeypatch, caplog, tmp_path
):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pipeline.runs.outcome.read_outcome", fail)
    finished, _ = run_graph(ValueError("no luck"))
    assert finished.failure == run_result.Failure(node="Trainer", cause="ValueError: no luck")
    shutil.rmtree(tmp_path / "runs")
    finished, _ = run_graph()
    assert finished.failure.cause.startswith("what it came to can't be read: a disk is full")
    assert "No space left" in caplog.text


def test_picture_that_can_not_be_copied_costs_nothing_else(run_graph, monkeypatch, tmp_path):
    there = tmp_path / "curve.png"
    there.touch()
    outcome = Outcome([], None, [], None, None, None, None, [tmp_path / "none.png", there])
    monkeypatch.setattr("pipeline.runs.outcome.read_outcome", lambda *arguments: outcome)
    finished, _ = run_graph()
    assert finished.failure is None
    assert [Path(one).name for one in finished.pictures] == ["curve.png"]
