import csv
import io
import json
import os
import subprocess
import sys

import pytest

from components.data_gate.findings import Finding
from pipeline import config, inspect, nodes, workspace
from pipeline.config import PROJECT_DIRECTORY
from pipeline.runs import history, lookup
from pipeline.runs.run_result import Failure, RunResult
from tests.pipeline.describing import tally

OLDER, NEWER = "2026-11-24T13-00-00.000", "2026-11-24T14-00-00.000"

SPLITS = {
    "train": tally({"Bag": 3, "Coat": 1}, [0.1, 0.1, 0.1, 0.9]),
    "test": tally({"Bag": 1, "Coat": 1}, [0.1, 0.9]),
}
EVEN = {"train": tally({"Bag": 2, "Coat": 2}, [0.1, 0.1, 0.9, 0.9])}
FINDING = Finding("skew", "stop", "ink", "test", "it differs")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def place(root):
    return lookup.find_places(config.Config(paths=config.Paths(root=root)))[0]


@pytest.fixture
def spans(place, keep_described):
    """A run on each of two spans, of which the newer one drifted and was refused."""
    keep_described(place, OLDER, EVEN, span=3)
    keep_described(place, NEWER, SPLITS, span=4, findings=None, drift=0.0625)
    failure = Failure(cause="x", node=nodes.DATA_GATE)
    result = RunResult(run_id=NEWER, dataset="own", failure=failure, data_findings=[FINDING])
    (place.run_dir(NEWER) / workspace.RESULT_FILE).write_text(result.to_json())


@pytest.fixture
def run(root, capsys, monkeypatch):
    """Runs the command on the root; returns its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        assert inspect.main(["data", *arguments, "--root", str(root)]) == 0
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


def test_run_that_the_gate_stopped_is_shown_with_classes_measures_and_what_was_found(spans, run):
    lines = run()
    assert lines[:2] == [f"run {NEWER} on own", "span 4, version 2"]
    words = [line.split() for line in lines]
    assert ["Bag", "3", "75.0%", "1", "50.0%"] in words
    assert ["all", "images", "4", "–", "2", "–"] in words
    assert f"train  {'':3}███{'':24}▃▃▃{'':3}  mean 0.300" in lines
    assert "  - stops the run: ink in test: it differs; see whether" in "\n".join(lines)
    assert [line.split()[-2:] for line in lines[-2:]] == [["0.05", "yes"], ["0.05", "yes"]]
    assert "train before" in lines[-1]
    assert max(map(len, lines[:-10])) <= 80


def test_span_is_shown_beside_another_with_the_change_and_the_distance(spans, run):
    lines = run("--span", "4", "--compare", "3")
    assert lines[2] == f"compared with span 3, version 2, run {OLDER}"
    [bag] = [line for line in lines if line.startswith("Bag")]
    assert bag.split() == ["Bag", "75.0%", "50.0%", "+25.0%", "50.0%", "–", "–"]
    assert any("mean 0.300, change -0.200" in line for line in lines)
    assert any(line.startswith("  span 3") and "mean 0.500" in line for line in lines)
    [apart] = [line for line in lines if "span 3's train" in line and line.startswith("class")]
    assert "0.2500" in apart


def test_json_has_everything_as_one_object(spans, run):
    [line] = run("--span", "4", "--compare", "3", "--json")
    document = json.loads(line)
    assert (document["run"], document["span"], document["version"]) == (NEWER, 4, 2)
    assert document["splits"]["train"]["classes"]["Bag"] == 3
    assert len(document["splits"]["train"]["measures"]["ink"]["counts"]) == 12
    assert document["findings"][0]["kind"] == "skew"
    assert document["distances"][0]["too_far"] is True
    assert document["compared_with"]["span"] == 3


def test_csv_has_a_row_for_each_class_and_bucket(spans, run):
    rows = [*csv.DictReader(io.StringIO("\n".join(run("--format", "csv"))))]
    assert len(rows) == 2 * (10 + 2 * 12)
    assert {row["feature"] for row in rows} == {"class", "ink", "brightness"}


def test_run_without_these_nodes_is_a_sentence(place, record_run, run):
    place.run_dir(OLDER).mkdir(parents=True)
    (place.run_dir(OLDER) / workspace.LOG_FILE).touch()
    record_run(place.metadata, OLDER, {"StatisticsGen": "COMPLETE"})
    assert any(line.startswith("There are no figures of its images: ") for line in run())
    assert json.loads(run("--json")[0])["splits"] == {}
    assert run("--format", "csv") == ["split,feature,class,low,high,examples,share"]


def test_run_that_has_not_come_so_far_is_still_at_work(place, record_run, run, monkeypatch):
    place.run_dir(OLDER).mkdir(parents=True)
    (place.run_dir(OLDER) / workspace.LOG_FILE).touch()
    record_run(place.metadata, OLDER, {"ImageStatistics": "RUNNING"})
    monkeypatch.setattr(history, "is_running", lambda *_: True)
    assert "Its images have not been measured yet: it is still at work." in run()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--span", "9"], "no run on span 9"),
        (["--compare", "9"], "no run on span 9"),
        (["2026", "--span", "4"], "leave out RUN"),
        (["2025"], "There is no run 2025"),
    ],
)
def test_what_is_not_there_is_a_sentence(spans, root, arguments, sentence, refusal):
    with refusal(sentence):
        inspect.main(["data", *arguments, "--root", str(root)])


def test_data_comes_before_the_flags(root, refusal):
    with refusal("data comes first"):
        inspect.main(["--root", str(root), "data"])


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_it_answers_in_any_encoding_without_tensorflow(spans, root, encoding):
    program = (
        "import sys; from pipeline import inspect; "
        f"inspect.main(['data', '--compare', '3', '--root', {str(root)!r}]); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"},
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        encoding=encoding,
        check=True,
    )
    assert ("@@@" if encoding == "ascii" else "███") in ended.stdout
