import json
import re
from dataclasses import replace

import pytest

from pipeline.config import Config
from pipeline.engine.beam import answering, probe
from pipeline.engine.beam.arguments import make_arguments
from pipeline.errors import UserError

ARGUMENTS = make_arguments(Config())


def test_this_machine_answers_and_leaves_nothing(tmp_path):
    found = probe.probe("local", ARGUMENTS, tmp_path)
    assert found.workers == [answering.describe_here()]
    assert found.seconds > 0
    assert not [*tmp_path.iterdir()]


def test_what_the_workers_wrote_must_be_here(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "answer", lambda number, directory: None)
    with pytest.raises(UserError, match=f"wrote into {tmp_path} is not here: mount this very dir"):
        probe.probe("local", ARGUMENTS, tmp_path)


def test_what_was_written_to_another_directory_of_that_name_does_not_count(tmp_path, monkeypatch):
    def answer_another(number, directory):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "question").write_text("something else")
        answering.answer(number, str(tmp_path / "other"))
        (tmp_path / "other" / "answer-0").rename(f"{directory}/answer-0")

    monkeypatch.setattr(probe, "_run", lambda *told: answer_another(0, told[2]))
    with pytest.raises(UserError, match="is not here"):
        probe.probe("local", ARGUMENTS, tmp_path)


def test_worker_says_that_it_does_not_see_the_root(tmp_path):
    with pytest.raises(RuntimeError, match=r"this worker sees no .*/question: No such file or dir"):
        answering.answer(0, str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("this worker sees no /a/question: No such file", "The workers of flink can't see {root}:"),
        ("ModuleNotFoundError: No module named 'pipeline'", "can't import this project (No mod"),
        ("ModuleNotFoundError: No module named 'pipeline.engine'", "can't import this project"),
    ],
)
def test_what_an_engine_hands_on_of_a_worker_is_told_in_a_sentence(
    told, said, tmp_path, monkeypatch
):
    def fail(*_):
        raise RuntimeError(f"bundle b1 failed:\nTraceback …\n{told}")

    monkeypatch.setattr(probe, "_run", fail)
    with pytest.raises(UserError, match=re.escape(said.format(root=tmp_path))):
        probe.probe("flink", ARGUMENTS, tmp_path)


def test_whatever_else_an_engine_says_is_left_as_it_is(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("No module named 'pipelines'")

    monkeypatch.setattr(probe, "_run", fail)
    with pytest.raises(RuntimeError, match="pipelines"):
        probe.probe("flink", ARGUMENTS, tmp_path)


HERE = answering.Place("here", "3.10.13", "2.74.0", "1.16.0", "0.2.0")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"host": "there"}, []),
        ({"python": "3.10.2"}, []),
        ({"python": "3.11.13"}, ["Python 3.11 and not 3.10"]),
        ({"beam": "2.73.0"}, ["apache-beam 2.73.0 and not 2.74.0"]),
        ({"tfx": ""}, ["tfx (not installed) and not 1.16.0"]),
        ({"project": "0.1.0"}, ["this project 0.1.0 and not 0.2.0"]),
    ],
)
def test_places_differ_in_what_the_stages_depend_on(other, said):
    assert HERE.find_differences(replace(HERE, **other)) == said


def test_worker_with_another_version_is_named(tmp_path, monkeypatch):
    def answer(number, directory):
        [text] = [file.read_text() for file in directory.glob("question")]
        told = {"asked": text, **vars(answering.describe_here()), "host": "far", "beam": "2.1.0"}
        (directory / "answer-0").write_text(json.dumps(told))

    monkeypatch.setattr(probe, "_run", lambda *told: answer(0, told[2]))
    with pytest.raises(
        UserError, match=r"A worker of flink on far has apache-beam 2\.1\.0 and not"
    ):
        probe.probe("flink", ARGUMENTS, tmp_path)
