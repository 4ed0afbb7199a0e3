import json

from pipeline import nodes
from pipeline.errors import ExitCode
from pipeline.runs import database, history
from pipeline.runs.run_result import RunResult
from pipeline.upkeep.adoption import adopt
from pipeline.workspace import lock


def result_of(place, run_id):
    return json.loads((place.run_dir(run_id) / "result.json").read_text())


def test_run_that_left_no_result_gets_what_the_books_know_also_while_the_root_is_held(begun):
    with lock(begun.root):
        assert adopt(begun).runs == ("r1",)
    result = result_of(begun, "r1")
    assert result["components"][nodes.TRAINER]["state"] == "failed"
    assert result["exit_code"] == ExitCode.FAILED
    assert (begun.root / "index.html").exists()
    assert database.backup_of(begun.metadata).exists()
    assert adopt(begun).runs == ()


def test_run_of_which_only_the_books_know_is_listed_again(place, record_run):
    record_run(place.metadata, "r1", {nodes.TRAINER: "COMPLETE"})
    assert adopt(place).runs == ("r1",)
    assert history.run_ids(place.root) == ["r1"]


def test_result_of_a_root_that_was_moved_is_written_with_its_paths_of_now(begun):
    before = RunResult(
        run_id="r1", log="/before/runs/r1/pipeline.log", serving_flags="--root /before"
    )
    (begun.run_dir("r1") / "result.json").write_text(before.to_json() + "\n")
    assert adopt(begun).runs == ("r1",)
    result = result_of(begun, "r1")
    assert result["log"] == str(begun.run_dir("r1") / "pipeline.log")
    assert result["serving_flags"] == f"--root {begun.root}"


def test_result_that_can_not_be_read_is_kept_beside_the_new_one(begun):
    (begun.run_dir("r1") / "result.json").write_text("cut o")
    assert adopt(begun).runs == ("r1",)
    assert (begun.run_dir("r1") / "result.json.unreadable").read_text() == "cut o"
    assert nodes.TRAINER in result_of(begun, "r1")["components"]


def test_results_that_are_in_order_stay_as_they_are(begun):
    text = RunResult(run_id="r1").to_json() + "\n"
    (begun.run_dir("r1") / "result.json").write_text(text)
    assert adopt(begun).runs == ()
    assert (begun.run_dir("r1") / "result.json").read_text() == text


def test_what_was_mended_is_told(place, record_run):
    uri = "/before/artifacts/Evaluator/evaluation/1"
    record_run(place.metadata, "r1", {nodes.EVALUATOR: "COMPLETE"}, evaluation=uri)
    assert adopt(place).notes == ("The root was moved from /before: its paths were mended.",)
