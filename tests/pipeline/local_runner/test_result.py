import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import local_runner, presets, settings
from pipeline.config import load_config
from pipeline.data import sources
from pipeline.data.kinds import OfficialFiles, Sample
from pipeline.engine import supervisor
from pipeline.engine.protocol import INTERRUPTED, Finished
from pipeline.nodes import NODES
from pipeline.runs import history
from pipeline.runs.run_result import Failure, Pushed, ServingResult
from tests.evaluations import LOW_RECALL, evaluation
from tests.pipeline.local_runner.workers import BLESSED, PUSHED, the_object
from trainer_module.code_version import CodeVersion

UNSOUND = ServingResult(reasons=["it is too large"])


REFUSED = evaluation(LOW_RECALL)


@pytest.mark.parametrize("node", ["Trainer", NODES[0], NODES[-1]])
def test_one_node_may_be_the_first_and_the_last(run, worker, node):
    run("--from-node", node, "--to-node", node)
    assert (worker.requests[0].from_node, worker.requests[0].to_node) == (node, node)


def test_flags_reach_the_worker(run, worker, tmp_path):
    run(*("--epochs", "7", "--no-cache", "--serving-dir", "s", "--set", "training.seed=3"))
    [request] = worker.requests
    assert (request.config.training.epochs, request.config.training.seed) == (7, 3)
    assert request.config.paths.serving_dir == Path("s")
    assert not request.cache
    assert not request.keep_versions
    assert request.source == Sample()


def test_cache_of_other_versions_is_kept_if_asked(run, worker):
    run("--keep-cache-across-versions")
    [request] = worker.requests
    assert request.cache
    assert request.keep_versions


def test_without_flags_the_whole_graph_runs_with_its_cache(run, worker):
    run()
    [request] = worker.requests
    assert (request.from_node, request.to_node, request.cache) == (None, None, True)


def test_the_samples_run_does_not_touch_the_serving_directory(run, tmp_path):
    run("--serving-dir", str(tmp_path / "served"))
    assert not (tmp_path / "served").exists()


@pytest.mark.usefixtures("found")
def test_directories_are_made_where_they_were_asked_for(tmp_path):
    assert local_runner.main(["--root", "a/b", "--serving-dir", "c/d"]) == 0
    assert (tmp_path / "a" / "b" / "runs").is_dir()
    assert (tmp_path / "c" / "d").is_dir()


def test_a_tilde_in_a_setting_makes_no_directory_of_that_name(worker, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    local_runner.main(["--dataset", "sample", "--set", "paths.root=~/root"])
    assert worker.surroundings[0].log.is_relative_to(tmp_path / "home" / "root")
    assert not (tmp_path / "~").exists()


# Resolves the paths of the request as the worker does, in the directory it was started in.
RESOLVE = """
import json, os, sys
request = json.loads(sys.stdin.readline())
paths = request["config"]["paths"]["root"], request["source"]["directory"]
step = {"kind": "step", "text": " ".join(map(os.path.abspath, paths))}
os.write(int(sys.argv[1]), (json.dumps(step) + "\\n").encode())
"""


def test_relative_paths_mean_the_same_to_the_worker(monkeypatch, tmp_path, capsys):
    popen = subprocess.Popen

    def start(command, **options):
        return popen([sys.executable, "-S", "-c", RESOLVE, *command[3:]], **options)

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    # Git is started in the same way.
    monkeypatch.setattr(local_runner, "find_code_version", lambda: None)
    monkeypatch.setattr(local_runner, "run_worker", supervisor.run_worker)
    monkeypatch.setattr(sources, "find", lambda *_: OfficialFiles(Path("data")))
    local_runner.main(["--root", "root"])
    assert f"{tmp_path / 'root'} {tmp_path / 'data'} …" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (Finished(evaluation=BLESSED, pushed=PUSHED), 0, "Blessed and pushed as version 7"),
        (Finished(), 0, "Ended before the Evaluator"),
        (Finished(evaluation=REFUSED), 3, LOW_RECALL.sentence),
        (Finished(evaluation=BLESSED, serving=UNSOUND), 3, "it is too large"),
        (
            Finished(
                evaluation=BLESSED,
                pushed=Pushed(path="/s/1", version="1", new=False, live_version="2"),
                serving_flags="--root /r",
            ),
            3,
            "`python -m pipeline.serving rollback 1 --root /r` makes version 1 live",
        ),
        (
            Finished(evaluation=BLESSED, pushed=Pushed(path="/s/3", version="3", live_version="1")),
            0,
            "Blessed and pushed as version 3 in /s/3:\n  • version 1 is pinned and stays live",
        ),
        (Finished(failure=Failure(cause="no luck", node="Trainer")), 1, "Trainer failed: no luck"),
        (Finished(failure=Failure(cause="damaged"), usage=True), 2, "The run was refused: damaged"),
        # A failure counts for more than the verdict before it.
        (
            Finished(evaluation=BLESSED, failure=Failure(cause="x", node="Pusher")),
            1,
            "Pusher failed",
        ),
        (
            Finished(evaluation=REFUSED, failure=Failure(cause="x", node="Pusher")),
            1,
            "Pusher failed",
        ),
        (INTERRUPTED, 130, "Interrupted: run it again"),
        (KeyboardInterrupt(), 130, "Interrupted: run it again"),
    ],
)
def test_the_exit_code_and_the_summary_say_how_the_run_ended(run, worker, outcome, code, said):
    worker.outcome = outcome
    ended, out, _ = run()
    assert ended == code
    assert said in out
    _, out, err = run("--json")
    assert the_object(out)["exit_code"] == code
    assert said in err


@pytest.mark.parametrize(
    "outcome",
    [
        Finished(evaluation=BLESSED, pushed=PUSHED),
        Finished(evaluation=REFUSED),
        KeyboardInterrupt(),
    ],
    ids=["pushed", "refused", "interrupted"],
)
def test_the_result_in_the_runs_directory_is_the_object_that_json_prints(
    run, worker, tmp_path, outcome
):
    worker.outcome = outcome
    _, out, _ = run("--json")
    [kept] = (tmp_path / "root" / "sample" / "runs").glob("*/result.json")
    assert json.loads(kept.read_text(encoding="utf-8")) == the_object(out)
    assert the_object(out)["run_id"] == kept.parent.name
    started = datetime.datetime.fromisoformat(the_object(out)["started"].replace("Z", "+00:00"))
    assert history.make_run_id(started) == kept.parent.name
    assert the_object(out)["log"] == str(kept.with_name("pipeline.log"))


def test_a_run_after_the_clock_was_put_back_is_the_latest_all_the_same(
    run, worker, monkeypatch, tmp_path
):
    ids = []
    for hour in (12, 11, 11):
        read = datetime.datetime(2026, 11, 25, hour, tzinfo=datetime.timezone.utc)

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, zone, read=read):
                return read

        with monkeypatch.context() as patch:
            patch.setattr(local_runner.datetime, "datetime", Clock)
            ids.append(the_object(run("--json")[1])["run_id"])
    root = tmp_path / "root" / "sample"
    assert history.run_ids(root) == ids[::-1]
    assert [one.started.hour for one in history.read_runs(root)] == [11, 11, 12]


def test_the_result_says_what_ran_by_which_settings_and_how_long(
    run, worker, monkeypatch, tmp_path
):
    version = CodeVersion("0123abcd" * 5, clean=False)
    monkeypatch.setattr(local_runner, "find_code_version", lambda: version)
    result = the_object(run("--json", "--config", "smoke", "--epochs", "1")[1])
    assert result["format"] == 3
    assert result["code"] == {"commit": version.commit, "clean": False}
    assert 0 < result["duration_s"] < 60
    expected = load_config(presets.find("smoke"), (), {"training.epochs": 1})
    place = {"paths.root": str(tmp_path / "root"), "dataset.name": "sample"}
    assert result["settings"] == {**settings.differing(expected), **place}


def test_code_that_is_in_no_checkout_is_not_known(run, worker, monkeypatch):
    monkeypatch.setattr(local_runner, "find_code_version", lambda: None)
    assert the_object(run("--json")[1])["code"] is None


def test_a_live_model_that_is_refused_is_told_of(run, worker):
    worker.outcome = Finished(evaluation=REFUSED, unfit_version=7, serving_flags="--root /r")
    code, out, _ = run()
    assert code == 3
    assert "version 7, which is in service, is this very model" in out
    assert "`python -m pipeline.serving rollback --root /r`" in out
    assert the_object(run("--json")[1])["unfit_version"] == 7


def test_without_json_no_object_is_printed(run):
    code, out, err = run()
    assert code == 0
    assert "run_id" not in out + err


def test_the_root_is_held_while_the_worker_runs(run, monkeypatch, tmp_path):
    codes = []

    def try_again(request, surroundings, handle, started):
        codes.append(run("--json")[0])
        return Finished()

    monkeypatch.setattr(local_runner, "run_worker", try_again)
    assert run()[0] == 0
    assert codes == [2]


def test_every_run_has_a_directory_of_its_own(run, tmp_path):
    for _ in range(3):
        assert run()[0] == 0
    assert len(list((tmp_path / "root" / "sample" / "runs").iterdir())) == 3
