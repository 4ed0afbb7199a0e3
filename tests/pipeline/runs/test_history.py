import datetime
import json
import math
import os

import pytest

from pipeline import nodes, workspace
from pipeline.errors import ExitCode
from pipeline.runs import history, pages
from pipeline.runs.run_result import FORMAT, Failure, NodeResult, Pushed, RunResult
from tests import evaluations

OLDER, NEWER = "2026-11-24T13-20-16.112", "2026-11-25T09-00-00.000"
WITHOUT_RESULT = "the run was killed before it could write its result"


@pytest.fixture
def begin(tmp_path):
    """Makes a run's directory, with a log and, if it is given one, a result."""

    def begin(run_id, result=None):
        directory = workspace.runs(tmp_path) / run_id
        directory.mkdir(parents=True)
        (directory / "pipeline.log").touch()
        if result is not None:
            text = result if isinstance(result, str) else result.to_json()
            (directory / "result.json").write_text(text)

    return begin


def test_a_run_is_read_as_it_was_written(begin, tmp_path):
    result = RunResult(
        run_id=OLDER,
        started=datetime.datetime(2026, 11, 24, 13, 20, tzinfo=datetime.timezone.utc),
        dataset="fashion_mnist",
        components={nodes.TRAINER: NodeResult(state="done", seconds=12.5)},
        evaluation=evaluations.evaluation(evaluations.LOW_RECALL),
        pushed=Pushed(path="/served/7", version="7"),
        exit_code=ExitCode.NOT_BLESSED,
    )
    begin(OLDER, result)
    assert history.read_runs(tmp_path) == [result]


def test_figures_that_are_not_numbers_are_read_too(begin, tmp_path):
    overall = evaluations.overall_metrics(loss=math.nan)
    evaluation = evaluations.evaluation(overall=overall)
    begin(OLDER, RunResult(run_id=OLDER, evaluation=evaluation))
    [run] = history.read_runs(tmp_path)
    assert math.isnan(run.evaluation.overall.loss)


def test_runs_come_newest_first(begin, tmp_path):
    for run_id in (OLDER, NEWER):
        begin(run_id, RunResult(run_id=run_id))
    assert history.run_ids(tmp_path) == [NEWER, OLDER]
    assert [run.run_id for run in history.read_runs(tmp_path)] == [NEWER, OLDER]


def test_there_are_no_runs_where_there_is_no_root_and_none_without_a_trace(tmp_path):
    assert history.read_runs(tmp_path / "root") == []
    (workspace.runs(tmp_path) / "notes").mkdir(parents=True)
    assert history.read_runs(tmp_path) == []


def test_a_run_id_is_the_start_in_local_time_and_tells_it():
    started = datetime.datetime(2026, 11, 24, 13, 20, 16, 112_345, tzinfo=datetime.timezone.utc)
    run_id = history.make_run_id(started)
    assert run_id == started.astimezone().strftime("%Y-%m-%dT%H-%M-%S.112")
    assert history._parse_started(run_id) == started.replace(microsecond=112_000)


@pytest.mark.parametrize(
    ("there", "behind"),
    [
        # The clock was put back, or the same millisecond came again.
        (["2030-01-01T00-00-00.999", OLDER], "2030-01-01T00-00-01.000"),
        (["2026-11-25T08-59-59.999", NEWER], "2026-11-25T09-00-00.001"),
        ([OLDER, "notes", "9 lives", "0001-01-01T00-00-00.000"], NEWER),
        ([], NEWER),
    ],
)
@pytest.mark.parametrize("sample", [False, True])
def test_a_run_comes_behind_those_that_there_are_whatever_the_clock_says(
    tmp_path, there, behind, sample
):
    roots = [tmp_path, tmp_path / "sample"]
    for name in there:
        (workspace.runs(roots[sample]) / name).mkdir(parents=True)
    started = history._parse_started(NEWER)
    assert history.make_run_id(started, roots) == behind


@pytest.mark.parametrize(("recorded", "state"), [("RUNNING", "interrupted"), ("FAILED", "failed")])
def test_a_killed_run_is_known_from_ml_metadata(begin, record_run, tmp_path, recorded, state):
    begin(OLDER)
    states = {nodes.TRANSFORM: "COMPLETE", nodes.TRAINER: recorded}
    record_run(workspace.metadata(tmp_path), OLDER, states)
    [run] = history.read_runs(tmp_path)
    assert run.failure == Failure(cause=WITHOUT_RESULT, node=nodes.TRAINER)
    assert run.exit_code == ExitCode.FAILED
    assert {node: one.state for node, one in run.components.items()} == {
        nodes.TRANSFORM: "done",
        nodes.TRAINER: state,
    }
    assert run.started == history._parse_started(OLDER)
    assert run.log == str(workspace.runs(tmp_path) / OLDER / "pipeline.log")
    assert not run.running


def test_what_a_killed_run_had_pushed_is_known(begin, record_run, tmp_path):
    begin(OLDER)
    record_run(workspace.metadata(tmp_path), OLDER, {nodes.PUSHER: "COMPLETE"}, pushed="7")
    [run] = history.read_runs(tmp_path)
    assert run.pushed == Pushed(path="/served/7", version="7")
    assert run.failure == Failure(cause=WITHOUT_RESULT)


def test_a_run_that_was_killed_before_ml_metadata_knew_it_is_listed(begin, tmp_path):
    begin(OLDER)
    [run] = history.read_runs(tmp_path)
    assert (run.components, run.failure.cause) == ({}, WITHOUT_RESULT)


@pytest.mark.parametrize(
    "text",
    [
        *("", '{"run_id": "r', "[]", "7", "{}", '{"run_id": 7}', "null", "\udcff", "[" * 100_000),
        *('{"run_id": null}', '{"run_id": "\\ud800"}', '{"run_id": "r", "settings": null}'),
        '{"run_id": "r", "pushed": {"path": "/p", "version": "seven"}}',
    ],
)
def test_a_damaged_result_is_listed_as_unreadable_beside_the_others(begin, tmp_path, text):
    begin(OLDER)
    begin(NEWER, RunResult(run_id=NEWER))
    file = workspace.runs(tmp_path) / OLDER / "result.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    sound, run = history.read_runs(tmp_path)
    assert (sound.run_id, run.run_id) == (NEWER, OLDER)
    assert run.why_not_pushed == ["its result.json is damaged"]
    assert run.verdict.label == "unreadable"
    pages.write_index(tmp_path)


def test_a_result_that_can_not_be_opened_is_listed_as_unreadable(begin, tmp_path):
    begin(OLDER)
    os.mkfifo(workspace.runs(tmp_path) / OLDER / "result.json")
    [run] = history.read_runs(tmp_path)
    assert run.why_not_pushed == ["its result.json can't be read: Not a regular file"]
    assert run.verdict.label == "unreadable"


def test_a_run_goes_by_the_name_of_its_directory(begin, tmp_path):
    begin(OLDER, RunResult(run_id="../../elsewhere"))
    assert [run.run_id for run in history.read_runs(tmp_path)] == [OLDER]


def test_only_the_newest_run_of_a_root_in_use_is_running(begin, record_run, tmp_path):
    begin(OLDER)
    begin(NEWER)
    record_run(workspace.metadata(tmp_path), NEWER, {nodes.TRAINER: "RUNNING"})
    with workspace.lock(tmp_path):
        newer, older = history.read_runs(tmp_path)
    assert (newer.running, newer.failure) == (True, None)
    assert newer.components[nodes.TRAINER].state == "running"
    assert (older.running, older.failure.cause) == (False, WITHOUT_RESULT)
    assert not any(run.running for run in history.read_runs(tmp_path))


def test_a_result_of_a_newer_format_is_told_in_a_sentence_and_hides_no_other_run(begin, tmp_path):
    newer = json.loads(RunResult(run_id=NEWER).to_json())
    begin(NEWER, json.dumps({**newer, "format": FORMAT + 1, "components": "spelled otherwise"}))
    begin(OLDER, RunResult(run_id=OLDER))
    told, older = history.read_runs(tmp_path)
    assert told.why_not_pushed == [
        f"its result.json has format {FORMAT + 1}, and this version of the project reads up to "
        f"{FORMAT}: look at it with a newer one"
    ]
    assert (told.run_id, told.verdict.label) == (NEWER, "unreadable")
    assert "readable" not in told.to_json().replace("unreadable", "")
    assert older == RunResult(run_id=OLDER)


@pytest.mark.parametrize("text", ['{"format": "new"}', '{"format": null}'])
def test_a_format_that_is_no_number_is_damage(begin, tmp_path, text):
    begin(OLDER, text)
    [run] = history.read_runs(tmp_path)
    assert run.why_not_pushed == ["its result.json is damaged"]


def test_a_result_without_a_format_of_a_version_before_is_read(begin, tmp_path):
    result = RunResult(run_id=OLDER, evaluation=evaluations.evaluation())
    document = json.loads(result.to_json())
    for key in ("format", "settings", "code", "duration_s", "unfit_version"):
        del document[key]
    begin(OLDER, json.dumps(document))
    assert history.read_runs(tmp_path) == [result.model_copy(update={"started": None})]


def test_the_first_format_of_a_result_is_read_as_far_as_it_goes(begin, tmp_path):
    begin(OLDER, json.dumps({**evaluations.FIRST_FORMAT, "run_id": OLDER}))
    [run] = history.read_runs(tmp_path)
    assert run.started == history._parse_started(OLDER)
    assert run.evaluation.overall.accuracy == 0.9
    assert math.isnan(run.evaluation.overall.loss)
    assert run.evaluation.classes["Shirt"].most_confused_with == "Coat"
    assert math.isnan(run.evaluation.classes["Shirt"].top_2_accuracy)
    assert run.evaluation.slices == {}
    assert run.why_not_pushed == evaluations.FIRST_FORMAT["reasons"]


def test_the_first_format_of_a_run_without_an_evaluation_is_read(begin, tmp_path):
    begin(OLDER, json.dumps({"run_id": OLDER, "metrics": None, "blessed": None, "reasons": []}))
    [run] = history.read_runs(tmp_path)
    assert run.evaluation is None
    assert run.failure is None


def test_paths_of_a_run_are_those_of_where_its_root_is_now(begin, tmp_path):
    before = RunResult(
        run_id=OLDER,
        log=f"/before/runs/{OLDER}/pipeline.log",
        report=f"/before/runs/{OLDER}/report.html",
        pushed=Pushed(path="/before/serving/tinyvgg/7", version="7"),
        serving_flags="--root /before",
    )
    begin(OLDER, before)
    after = history.read_run(tmp_path, OLDER)
    assert after.log == str(workspace.runs(tmp_path) / OLDER / "pipeline.log")
    assert after.report == str(workspace.runs(tmp_path) / OLDER / "report.html")
    assert after.pushed.path == str(tmp_path / "serving" / "tinyvgg" / "7")
    assert after.serving_flags == f"--root {tmp_path}"


def test_paths_of_a_run_elsewhere_stay(begin, tmp_path):
    pushed = Pushed(path="/served/7", version="7")
    begin(OLDER, RunResult(run_id=OLDER, log=f"/before/runs/{OLDER}/pipeline.log", pushed=pushed))
    assert history.read_run(tmp_path, OLDER).pushed == pushed


def test_runs_are_listed_beside_a_damaged_database(begin, tmp_path):
    begin(OLDER)
    (tmp_path / "metadata.db").write_text("no database" * 100)
    [run] = history.read_runs(tmp_path)
    assert (run.components, run.why_not_pushed) == ({}, [WITHOUT_RESULT])
