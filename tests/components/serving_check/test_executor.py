import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components import blessings
from components.properties import SKIPPED
from components.serving_check import executor, runner
from components.serving_check.executor import Executor
from components.serving_check.findings import REPORT_FILE, Findings

LIMITS = {
    "max_size_mb": 10,
    "max_load_s": 60,
    "max_latency_ms": 10_000,
    "max_batch_latency_ms": 10_000,
    "max_memory_mb": 4000,
    "timeout_s": 120,
}


@pytest.fixture(autouse=True)
def other_names(monkeypatch):
    monkeypatch.setattr(executor.features, "IMAGE", "picture")
    monkeypatch.setattr(runner, "BATCHES", ((1, 5), (64, 3)))


@pytest.fixture
def examples(tmp_path, make_example):
    """An artifact with a test split."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path / "examples")
    artifact.split_names = artifact_utils.encode_split_names(["train", "test"])
    for split, levels in (("train", [7]), ("test", [0, 51, 255])):
        directory = Path(artifact.uri, f"Split-{split}")
        directory.mkdir(parents=True)
        file = directory / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for level in levels:
                writer.write(make_example(level))
    return artifact


@pytest.fixture
def check(tmp_path, examples):
    """Runs the executor on a SavedModel; returns the blessing that it puts out."""

    def check(model, blessed=1, **limits):
        trained = standard_artifacts.Model()
        trained.uri = str(tmp_path / "trained")
        trained.id = 7
        Path(trained.uri).mkdir()
        model.rename(Path(trained.uri, "Format-Serving"))
        model_blessing = standard_artifacts.ModelBlessing()
        model_blessing.set_int_custom_property("blessed", blessed)
        blessing = standard_artifacts.InfraBlessing()
        blessing.uri = str(tmp_path / "blessing")
        Executor().Do(
            {"model": [trained], "examples": [examples], "model_blessing": [model_blessing]},
            {"blessing": [blessing]},
            {"config": json.dumps({**LIMITS, **limits})},
        )
        return blessing

    return check


def read(blessing):
    """What it says, and the names of the files that it has."""
    directory = Path(blessing.uri)
    report = json.loads((directory / REPORT_FILE).read_text())
    names = {path.name for path in directory.iterdir()} - {REPORT_FILE}
    return blessing.get_int_custom_property("blessed"), names, report


def test_sound_model_is_blessed_as_tfxs_infra_validator_does(check, export):
    blessed, names, report = read(check(export(serving_default="sound", predict_images="pixels")))
    assert report["reasons"] == []
    assert (blessed, names) == (1, {"INFRA_BLESSED"})
    assert report["measures"]["difference"] < 1e-6


def test_unsound_model_is_refused_with_its_reasons(check, export):
    blessed, names, report = read(check(export(serving_default="credulous")))
    assert (blessed, names) == (0, {"INFRA_NOT_BLESSED"})
    assert len(report["reasons"]) == 5


def test_limits_come_from_the_configuration(check, export):
    _, _, report = read(check(export(serving_default="sound"), max_size_mb=1e-6))
    [reason] = report["reasons"]
    assert reason.startswith("the size is ")


def test_answers_are_held_against_the_evaluators_on_the_test_split(check, export, monkeypatch):
    seen = []

    def run_check(model, gather, limits, image_feature):
        questions = gather()
        seen.append((len(questions.examples), questions.expected))
        return Findings()

    monkeypatch.setattr(executor, "run_check", run_check)
    check(export(serving_default="sound"))
    [(count, expected)] = seen
    assert count == 3
    answers = sorted(zip(expected["probabilities"], expected["class_name"], strict=True))
    assert [name for _, name in answers] == ["dark", "dark", "bright"]
    assert answers[1][0] == pytest.approx([0.2, 0.8])


def test_model_that_is_not_blessed_is_not_checked(check, export, monkeypatch):
    monkeypatch.setattr(executor, "run_check", lambda *_: pytest.fail("checked it"))
    blessed, _, report = read(check(export(serving_default="sound"), blessed=0))
    assert blessed == 0
    assert report["reasons"] == ["not checked, since the Evaluator did not bless it"]


def test_what_was_not_checked_says_that_it_was_skipped_and_why(check, export):
    blessing = check(export(serving_default="sound"), blessed=0)
    assert blessing.get_string_custom_property(SKIPPED) == "not blessed"


@pytest.mark.parametrize("blessed", [0, 1])
def test_blessing_says_which_model_it_is_of(check, export, monkeypatch, tmp_path, blessed):
    monkeypatch.setattr(executor, "_check", lambda *_: Findings())
    blessing = check(export(serving_default="sound"), blessed=blessed)
    model = standard_artifacts.Model()
    model.uri, model.id = str(tmp_path / "trained"), 7
    assert blessings.is_of(blessing, model)
    model.id = 8
    assert not blessings.is_of(blessing, model)


def test_blessing_of_tfxs_infra_validator_says_so_too(monkeypatch):
    validator = executor.infra_validator_executor.Executor
    monkeypatch.setattr(validator, "Do", lambda self, *_: None)
    model, blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
    model.uri, model.id = "/m", 7
    given = {"model": [model]}, {"blessing": [blessing]}, {}
    executor.InfraValidatorExecutor().Do(*given)
    assert blessings.is_of(blessing, model)
