import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.compare import process, sides
from benchmarks.compare.figures import Interval
from benchmarks.compare.process import Usage
from benchmarks.compare.sides import SIDES, Job, Records
from pipeline import nodes
from pipeline.config import load_config

LINE = "2026-11-27 08:15:{},{} trainer_module.progress_log: training {}\n"


def test_epochs_are_timed_from_end_to_end():
    step = {"kind": "training", "epoch": 1, "loss": 2.0}
    end = {**step, "val_loss": 2.0}
    log = LINE.format("01", "500", step) + "2026-11-27 08:15:02,000 tfx: nothing\n"
    lines = {"03": end, "04": step, "07": end}
    log += "".join(LINE.format(second, "250", line) for second, line in lines.items())
    assert sides.read_epochs(log) == [4.0]


def test_a_range_test_is_no_epoch():
    assert sides.read_epochs(LINE.format("01", "500", {"kind": "range_test", "loss": 2.0})) == []


def write_metadata(file, executions):
    """Writes what is read of a database: (node, state, began, ended) of each execution."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(
            """
            CREATE TABLE Type (id, name);
            CREATE TABLE Context (id, type_id, name);
            CREATE TABLE Association (context_id, execution_id);
            CREATE TABLE Execution (
                id, last_known_state, create_time_since_epoch, last_update_time_since_epoch
            );
            INSERT INTO Type VALUES (1, 'node'), (2, 'pipeline');
            """
        )
        for number, (node, *rest) in enumerate(executions):
            context, pipeline = 2 * number, 2 * number + 1
            names = ((context, 1, f"pipeline.{node}"), (pipeline, 2, "pipeline"))
            connection.executemany("INSERT INTO Context VALUES (?, ?, ?)", names)
            links = ((context, number), (pipeline, number))
            connection.executemany("INSERT INTO Association VALUES (?, ?)", links)
            connection.execute("INSERT INTO Execution VALUES (?, ?, ?, ?)", (number, *rest))


def test_components_are_timed_by_their_books(tmp_path):
    cached = sides._COMPLETE + 2
    executions = [
        (nodes.TRAINER, sides._COMPLETE, 1000, 3500),
        (nodes.TRAINER, sides._COMPLETE, 5000, 6500),
        (nodes.EVALUATOR, cached, 6500, 6600),
    ]
    write_metadata(tmp_path / "metadata.db", executions)
    first, second = Interval(nodes.TRAINER, 1.0, 3.5), Interval(nodes.TRAINER, 5.0, 6.5)
    assert sides.read_intervals(tmp_path / "metadata.db") == [first, second]
    assert sides.read_intervals(tmp_path / "metadata.db", since=4.0) == [second]


def test_no_model_is_refused():
    settings = load_config(sides.ANY_MODEL)
    assert settings.evaluation.min_accuracy == 0
    assert {*settings.evaluation.min_recall.values(), *settings.evaluation.min_f1.values()} == {0}


RESULT = {"evaluation": {"overall": {"accuracy": 0.9, "loss": 0.25}}}


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(
        data_dir=tmp_path / "official",
        scratch=tmp_path / "scratch",
        epochs=2,
        training_epochs=3,
        max_examples=100,
        torch=sys.executable,
        preset="tiny",
    )


@pytest.fixture
def commands(job, tmp_path, monkeypatch) -> list[str]:
    """The commands that are run, as lines; each ends at once and gives `RESULT`, or an answer."""
    log = tmp_path / "pipeline.log"
    log.touch()
    records = tmp_path / "scratch" / "prepared" / "records" / "r1" / "span-1"
    records.mkdir(parents=True)
    (records / "train-00000").touch()
    answers = {
        "pipeline.dataset": {
            "directory": str(records.parent),
            "examples": {name: {"Bag": 50, "Coat": 50} for name in ("train", "eval", "test")},
        },
        "pipeline.local_runner": {**RESULT, "log": str(log)},
        "benchmarks.compare.loops": {"epochs_s": [9.0, 2.0], "accuracy": 0.9, "loss": 0.25},
    }
    ran = []

    def run(command, expected=(0,)):
        ran.append(" ".join(map(str, command)))
        if "--root" in command:
            metadata = Path(command[command.index("--root") + 1], "metadata.db")
            metadata.parent.mkdir(parents=True, exist_ok=True)
            metadata.unlink(missing_ok=True)
            now = time.time() * 1000
            executions = [(nodes.TRAINER, sides._COMPLETE, now + 1000, now + 4000)]
            write_metadata(metadata, executions)
        said = next((answers[name] for name in answers if name in ran[-1]), None)
        return json.dumps(said), Usage(10.0, 20.0, 1500.0)

    monkeypatch.setattr(process, "run", run)
    return ran


def test_the_pipeline_tells_what_ran_and_how_good_the_model_is(job, commands):
    run = SIDES["ours"].measure(job, 7)
    assert run.stages == pytest.approx({nodes.TRAINER: 3.0})
    assert (run.wall, run.accuracy, run.loss) == (10.0, 0.9, 0.25)
    [command] = commands
    assert f"--root {job.scratch / 'everything'}" in command
    assert f"--config {sides.ANY_MODEL} --epochs 2" in command
    assert "--set training.seed=7" in command
    assert "--set dataset.max_examples=100" in command


def test_whole_runs_begin_without_what_earlier_ones_left(job, commands):
    for side in ("ours", "lean", "preset"):
        SIDES[side].measure(job, 0)
    left = [job.scratch / name / "left" for name in ("everything", "lean", "preset")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for side in ("ours", "lean", "preset"):
        SIDES[side].measure(job, 0)
    assert not any(file.exists() for file in left)


def test_the_lean_run_finds_the_records_ready_and_looks_for_no_rate(job, commands):
    SIDES["lean"].measure(job, 0)
    assert (job.scratch / "lean" / "records" / "r1" / "span-1" / "train-00000").exists()
    assert "learning_rate.source=fixed" in commands[-1]


@pytest.mark.parametrize(("side", "root"), [("cached", "everything"), ("training", "lean")])
def test_a_run_that_goes_on_from_another_has_its_root(job, commands, side, root):
    SIDES[SIDES[side].after].measure(job, 0)
    SIDES[side].measure(job, 0)
    assert all(f"--root {job.scratch / root}" in command for command in commands[-2:])


def test_the_training_alone_ends_with_the_trainer(job, commands):
    SIDES["training"].measure(job, 0)
    assert "--epochs 3" in commands[0]
    assert f"--to-node {nodes.TRAINER}" in commands[0]


@pytest.mark.parametrize("side", ["keras", "torch", "bfloat16"])
def test_a_loop_counts_all_epochs_but_the_first(job, commands, side):
    assert SIDES[side].measure(job, 7).epochs_s == [2.0]
    assert "--epochs 3 --seed 7 --batch-size 128" in commands[0]
    assert ("bfloat16" in commands[0]) is (side == "bfloat16")


def test_the_textbook_pipeline_has_the_same_records(job, commands):
    with pytest.raises(process.FailedError, match="pushed nothing"):
        SIDES["textbook"].measure(job, 0)
    assert f"--records {job.records.directory / 'span-1'} " in commands[1]
    assert "--train 100 --eval 100" in commands[1]
    counts = dict.fromkeys(("train", "eval", "test"), 100)
    assert job.records == Records(job.records.directory, counts)


def test_where_there_is_no_pytorch_its_sides_say_so(job, tmp_path):
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    lacking = Job(**{**vars(job), "torch": str(bare)})
    assert SIDES["torch"].find_obstacle(lacking) == f"PyTorch is not installed for {bare}"
    assert SIDES["keras"].find_obstacle(lacking) is None
