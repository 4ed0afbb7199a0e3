import csv
import io
import json
import math
import os
import subprocess
import sys

import pytest

from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from pipeline import inspect, nodes, workspace
from pipeline.config import PROJECT_DIRECTORY
from pipeline.runs.run_result import Code, Failure, NodeResult, Pushed, RunResult
from tests import evaluations
from trainer_module import features

NAMES = features.CLASS_NAMES
FIRST, SECOND, THIRD = "2026-11-24T13", "2026-11-24T14", "2026-11-24T15"


def evaluation(*misses, recall=0.9, **fields):
    """Of all classes, Shirt being worse, with slices of each kind."""
    classes = {name: evaluations.class_metrics(accuracy=recall) for name in NAMES}
    classes["Shirt"] = evaluations.class_metrics(
        accuracy=recall - 0.2, f1=None, loss=math.nan, most_confused_with="T-shirt/top"
    )
    slices = {
        "ink": {
            "under a quarter": evaluations.slice_metrics(examples=4000),
            "the rest": evaluations.slice_metrics(examples=6000, accuracy=0.8),
        },
        "brightness": {"dark": evaluations.slice_metrics()},
        "group": {"easily confused": evaluations.slice_metrics(accuracy=0.81)},
    }
    confusion = [[0] * len(NAMES) for _ in NAMES]
    confusion[NAMES.index("Shirt")][NAMES.index("Coat")] = 7
    confusion[NAMES.index("Bag")][NAMES.index("Dress")] = 2
    return evaluations.evaluation(
        *misses, **{"classes": classes, "slices": slices, "confusion": confusion, **fields}
    )


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def keep(root):
    """Leaves the result of a run in the root."""

    def keep(run_id, **fields):
        directory = workspace.runs(root) / run_id
        directory.mkdir(parents=True)
        result = RunResult(run_id=run_id, dataset="fashion_mnist", **fields)
        (directory / "result.json").write_text(result.to_json())

    return keep


@pytest.fixture
def runs(keep, root):
    """One that was pushed, is live, and one that was refused because of Shirt."""
    model = root / "model"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_text("a model")
    push = Store(root / "serving" / "tinyvgg").push(model, ModelFacts(run=FIRST))
    pushed = Pushed(path=str(push.path), version="1")
    components = {node: NodeResult(state="done") for node in nodes.NODES}
    keep(FIRST, evaluation=evaluation(recall=0.95), pushed=pushed, components=components)
    refused = evaluation(evaluations.LOW_RECALL, evaluations.LOW_ACCURACY, notes=["a note"])
    keep(SECOND, evaluation=refused, components=components)


@pytest.fixture
def run(root, capsys, monkeypatch):
    """Runs the command on the root; returns its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        inspect.main([*arguments, "--root", str(root)])
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


def row(lines, name):
    [found] = [line for line in lines if line.startswith(name)]
    return found.removeprefix(name).split()


def test_the_latest_run_is_shown_by_class_with_the_reasons_for_its_verdict(runs, run):
    lines = run()
    assert lines[0] == f"run {SECOND} on fashion_mnist"
    assert row(lines, "Ankle boot")[:3] == ["1,000", "0.900", "0.800"]
    assert row(lines, "Shirt")[-1] == "T-shirt/top"
    assert row(lines, "overall")[:2] == ["10,000", "0.9000"]
    assert lines[-4:] == [
        "Not blessed, and not pushed:",
        f"  • {evaluations.LOW_RECALL.sentence}",
        f"  • {evaluations.LOW_ACCURACY.sentence}",
        "note: a note",
    ]


def test_commit_and_settings_of_a_run_stand_below_its_id(keep, run):
    code = Code(commit="0123456789abcdef" * 2 + "01234567", clean=False)
    settings = {"paths.root": "r", "training.epochs": 3, "dataset.name": "[sample]"}
    keep(FIRST, evaluation=evaluation(), code=code, settings=settings, duration_s=81.5)
    assert run()[:3] == [
        f"run {FIRST} on fashion_mnist",
        "commit 0123456789ab, with changes that were not committed",
        'settings other than the default: training.epochs = 3, dataset.name = "[sample]"',
    ]
    document = json.loads("\n".join(run("--json")))
    assert (document["settings"], document["duration_s"]) == (settings, 81.5)
    assert document["code"] == {"commit": code.commit, "clean": False}


def test_clean_commit_and_default_settings_are_one_line(keep, run):
    keep(FIRST, evaluation=evaluation(), code=Code(commit="0" * 40, clean=True))
    assert run()[1:3] == ["commit 000000000000", ""]


@pytest.mark.parametrize(
    "arguments", [[], ["--compare", "serving"], ["runs"], ["--by", "ink"], ["--confusion"]]
)
def test_no_figure_is_cut_on_a_screen_of_40_columns(runs, run, monkeypatch, arguments):
    firsts = (*NAMES, "overall", "under a quarter", FIRST, SECOND)
    rows = [line for line in run(*arguments) if line.startswith(firsts)]
    monkeypatch.setenv("COLUMNS", "40")
    lines = run(*arguments)
    assert not any("…" in line for line in lines)
    narrow = [line for line in lines if line.startswith(firsts)]
    assert len(narrow) == len(rows)
    assert max(map(len, narrow)) <= 40
    assert any(line.startswith("not shown for want of width: ") for line in lines)


def test_run_of_a_newer_format_does_not_break_the_list(runs, run, root):
    file = workspace.runs(root) / SECOND / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    lines = run("runs")
    assert [line.split()[-2] for line in lines[1:3]] == ["unreadable", "pushed"]
    assert "its result.json has format 99" in " ".join(" ".join(lines).split())


def test_what_is_not_a_number_is_a_dash(runs, run):
    _, recall, precision, f1, _, loss, *_ = row(run(), "Shirt")
    assert (recall, precision, f1, loss) == ("0.700", "0.800", "–", "–")


def test_another_run_is_named_by_its_id_or_as_the_one_in_service(runs, run):
    lines = run("2026-11-24T13")
    assert lines[0] == f"run {FIRST} on fashion_mnist"
    assert lines[-1].startswith("Blessed and pushed as version 1 in ")
    assert run("serving") == lines


def test_all_lines_of_the_tables_fit_a_screen_of_80_columns(runs, run):
    for arguments in ([], ["--compare", "serving"], ["runs"], ["--by", "ink"], ["--confusion"]):
        tables = run(*arguments)
        assert (
            max(len(line) for line in tables if "•" not in line and "/tinyvgg/" not in line) <= 80
        )


@pytest.mark.parametrize(
    ("slicing", "first"),
    [
        ("label", "T-shirt/top"),
        ("ink", "under a quarter"),
        ("brightness", "dark"),
        ("group", "easily confused"),
    ],
)
def test_slices_are_by_what_is_asked_for_in_their_order(runs, run, slicing, first):
    document = json.loads("\n".join(run("--by", slicing, "--format", "json")))
    assert document["by"] == slicing
    assert document["rows"][0]["slice"] == first


@pytest.mark.parametrize("compared", [FIRST, "serving"])
def test_two_runs_stand_side_by_side_with_the_change(runs, run, compared):
    lines = run("--compare", compared)
    assert lines[1] == f"compared with run {FIRST}, pushed as version 1"
    assert row(lines, "Bag")[:4] == ["1,000", "0.900", "0.950", "-0.050"]


def test_the_mistakes_are_listed_as_pairs_of_classes(runs, run):
    lines = run("--confusion")
    assert row(lines, "Shirt")[:2] == ["Coat", "7"]
    lines = run("--confusion", "--worst", "1")
    assert not any(line.startswith("Bag") for line in lines)
    lines = run("--confusion", "--compare", "serving")
    assert row(lines, "Bag") == ["Dress", "2", "100.0%", "2", "+0"]


def test_rows_are_sorted_and_cut_as_asked_for(runs, run):
    def names(*arguments):
        rows = csv.DictReader(io.StringIO("\n".join(run("--format", "csv", *arguments))))
        return [one["slice"] for one in rows]

    assert names() == list(NAMES)
    assert names("--sort", "slice")[:2] == ["Ankle boot", "Bag"]
    assert names("--sort", "recall", "--descending")[-1] == "Shirt"
    assert names("--worst", "1") == ["Shirt"]
    assert names("--by", "ink", "--worst", "1") == ["the rest"]
    assert names("--by", "ink", "--sort", "examples") == ["under a quarter", "the rest"]


def test_json_is_one_object_with_everything(runs, run):
    [line] = run("--format", "json", "--compare", FIRST)
    document = json.loads(line, parse_constant=pytest.fail)
    assert document["run"] == SECOND
    assert document["compared_with"] == FIRST
    assert document["blessed"] is False
    assert len(document["why_not_pushed"]) == 2
    assert document["notes"] == ["a note"]
    assert document["overall"]["accuracy"] == 0.9
    shirt = document["rows"][NAMES.index("Shirt")]
    assert (shirt["slice"], shirt["loss"], shirt["f1"]) == ("Shirt", None, None)
    assert shirt["change_recall"] == pytest.approx(-0.05)


def test_all_runs_are_listed_the_newest_first_with_the_reasons(runs, run, keep):
    keep(THIRD, failure=Failure(cause="disk [full]", node="Trainer"))
    heading, *lines = run("runs")
    assert heading.split() == ["run", "dataset", "accuracy", "verdict", "version"]
    assert [line.split() for line in lines[:3]] == [
        [THIRD, "fashion_mnist", "–", "failed", "–"],
        [SECOND, "fashion_mnist", "0.9000", "not", "blessed", "–"],
        [FIRST, "fashion_mnist", "0.9000", "pushed", "1"],
    ]
    reasons = " ".join(" ".join(lines[3:]).split())
    assert f"{THIRD} Trainer failed: disk [full]" in reasons
    assert f"{SECOND} {evaluations.LOW_RECALL.sentence}" in reasons
    assert evaluations.LOW_ACCURACY.sentence in reasons


def test_the_list_of_runs_is_csv_and_json_too(runs, run):
    rows = list(csv.DictReader(io.StringIO("\n".join(run("runs", "--format", "csv")))))
    assert [(one["run"], one["blessed"]) for one in rows] == [(SECOND, "no"), (FIRST, "yes")]
    [line] = run("runs", "--format", "json", "--worst", "1")
    [only] = json.loads(line)["runs"]
    assert only["why_not_pushed"][0] == evaluations.LOW_RECALL.sentence


@pytest.mark.parametrize(
    "flags",
    [["--by", "ink"], ["--confusion"], ["--compare", "serving"]],
    ids=lambda flags: flags[0],
)
def test_the_list_of_runs_takes_no_flags_of_one_run(runs, run, refusal, flags):
    with refusal("look at one run"):
        run("runs", *flags)


def test_an_unknown_column_is_refused_with_those_there_are(runs, run, refusal):
    with refusal("no column accuracy: sort by one of slice, examples, recall"):
        run("--sort", "accuracy")


def test_a_direction_without_a_column_is_refused(runs, run, refusal):
    with refusal("--descending goes with --sort"):
        run("--descending")


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_fewer_than_one_row_is_refused(runs, run, capsys, number):
    with pytest.raises(SystemExit) as ended:
        run("--worst", number)
    assert ended.value.code == 2
    assert f"--worst takes a whole number from 1 on, and got {number!r}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("waiting", "has no figures, as its evaluation did not begin"),
        ("failed", "has no figures, as its evaluation was cut off"),
        ("interrupted", "has no figures, as its evaluation was cut off"),
    ],
)
def test_a_run_without_figures_tells_what_it_knows_and_why(
    keep, root, capsys, refusal, state, sentence
):
    failure = Failure(cause="no luck", node="Trainer")
    keep(
        FIRST, components={nodes.EVALUATOR: NodeResult(state=state)}, failure=failure, log="/a.log"
    )
    with refusal(f"Run {FIRST} {sentence}"):
        inspect.main(["--root", str(root)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"run {FIRST} on fashion_mnist", "Trainer failed: no luck", "log: /a.log"]
    with refusal(f"Run {FIRST} {sentence}"):
        inspect.main(["--root", str(root), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert document["why_not_pushed"] == ["Trainer failed: no luck"]
    assert (document["overall"], document["rows"]) == (None, [])


def test_a_run_that_has_not_ended_has_no_figures_yet(keep, run, refusal):
    keep(FIRST, running=True)
    with refusal(f"Run {FIRST} has no figures yet: it is still at work"):
        run()


def test_a_run_without_figures_can_not_be_compared_with(runs, keep, run, refusal):
    keep(THIRD)
    with refusal(f"Run {THIRD} has no figures, as its evaluation did not begin"):
        run(SECOND, "--compare", THIRD)


def test_slices_that_an_earlier_version_did_not_make_are_refused(keep, run, refusal):
    keep(FIRST, evaluation=evaluation(slices={}, confusion=[]))
    with refusal(f"Run {FIRST} has no slices by ink: an earlier version evaluated it"):
        run("--by", "ink")
    with refusal(f"Run {FIRST} has no confusion matrix: an earlier version evaluated it"):
        run("--confusion")
    assert run()


def test_a_damaged_result_is_said_to_be_so(runs, run, root, refusal):
    file = workspace.runs(root) / SECOND / "result.json"
    file.write_text(file.read_text()[:100])
    with refusal(f"Run {SECOND} has no figures"):
        run()


def test_a_class_that_the_split_lacks_is_no_row_and_its_note_is_shown(keep, run):
    classes = {"Shirt": evaluations.class_metrics()}
    keep(FIRST, evaluation=evaluation(classes=classes, notes=["the test split has no Coat"]))
    lines = run()
    assert not any(line.startswith("Coat") for line in lines)
    assert lines[-1] == "note: the test split has no Coat"


def call(*arguments):
    """Runs the command with its output in files, whatever the width of a screen."""
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.inspect", *arguments],
        cwd=PROJECT_DIRECTORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wrong_use_is_a_line_on_stderr_and_no_traceback(root):
    ended = call("--root", str(root))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {root} has no runs")
    assert len(ended.stderr.splitlines()) == 1


def test_lines_in_a_file_are_as_long_as_they_need_to_be(keep, root):
    cause = "a long sentence " * 10
    keep(FIRST, failure=Failure(cause=cause.strip()))
    ended = call("runs", "--root", str(root))
    assert any(cause.strip() in line for line in ended.stdout.splitlines())


QUIET = """
import sys
from pipeline import inspect

inspect.main(sys.argv[1:])
slow = ("tensorflow", "keras", "tfx", "apache_beam", "tensorflow_model_analysis", "ml_metadata")
print("loaded:", *(name for name in slow if name in sys.modules))
"""


@pytest.mark.parametrize("arguments", [[], ["--compare", "serving"], ["runs"]])
def test_runs_that_left_a_result_are_shown_without_loading_what_is_slow(runs, root, arguments):
    ended = subprocess.run(
        [sys.executable, "-c", QUIET, *arguments, "--root", str(root)],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines()[-1] == "loaded:", ended.stderr
