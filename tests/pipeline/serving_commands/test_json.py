"""Every command's answer as one object, and nothing else on standard output."""

import json

import pytest

from components.model_formats.export import Export
from components.serving_check.findings import Findings
from pipeline.serving_commands import checking, exporting, predicting
from trainer_module import features


@pytest.fixture
def ask(run):
    """Runs a command with --json: its code and the object."""

    def ask(*arguments):
        code, lines = run(*arguments, "--json")
        [line] = lines
        return code, json.loads(line)

    return ask


def test_list_has_every_version_with_its_state(store, ask):
    store.rollback(2)
    (store.directory / "9").mkdir()
    code, found = ask("list")
    assert code == 0
    assert found["directory"] == str(store.directory)
    states = [(one["version"], one["state"], one["live"]) for one in found["versions"]]
    assert states == [(3, "rolled back", False), (2, "live", True), (1, "", False)]
    assert found["versions"][1]["accuracy"] == pytest.approx(0.902)
    assert found["versions"][1]["run"] == "run-2"
    assert found["versions"][1]["path"] == str(store.directory / "2")
    [warning] = found["warnings"]
    assert "is no version" in warning


def test_list_of_no_versions_is_an_object_too(ask):
    code, found = ask("list")
    assert (code, found["versions"], found["warnings"]) == (0, [], [])


def test_changes_say_what_is_live(store, ask):
    assert ask("rollback") == (0, {"live": 2, "before": 3, "moved_aside": [3], "warnings": []})
    assert ask("pin", 1) == (0, {"live": 1, "pinned": True, "warnings": []})
    assert ask("unpin") == (0, {"live": 2, "pinned": False, "warnings": []})


def test_prune_says_what_is_gone(store, ask, refusal):
    expected = {"deleted": [2, 1], "moved_aside": [], "warnings": []}
    assert ask("prune", "--keep", 1, "--yes") == (0, expected)
    assert ask("prune", "--keep", 1, "--yes")[1]["deleted"] == []


def test_prune_does_not_ask_a_program(store, ask, refusal, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with refusal("give --yes where nobody can answer"):
        ask("prune", "--keep", 1)


@pytest.mark.parametrize("reasons", [[], ["it is too large"]])
def test_check_says_whether_it_is_sound(store, ask, monkeypatch, reasons):
    monkeypatch.setattr(checking, "_read_recorded", lambda *_: None)
    monkeypatch.setattr(checking, "_probe", lambda *_: Findings(reasons, {"size_mb": 0.25}))
    code, found = ask("check", 2)
    assert code == len(reasons)
    assert found == {
        "version": 2,
        "sound": not reasons,
        "faults": reasons,
        "measures": {"size_mb": 0.25},
    }


def test_predict_has_all_probabilities(store, ask, picture, monkeypatch):
    probabilities = [0.001, 0.9, 0.099, *[0.0] * 7]
    monkeypatch.setattr(predicting, "_classify", lambda *_: [probabilities])
    code, found = ask("predict", picture)
    assert (code, found["version"]) == (0, 3)
    [one] = found["pictures"]
    assert (one["file"], one["class"]) == (str(picture), "Trouser")
    assert one["probabilities"] == dict(zip(features.CLASS_NAMES, probabilities, strict=True))


def test_predict_names_no_class_for_a_blank_picture(store, ask, blank):
    [one] = ask("predict", blank)[1]["pictures"]
    assert one == {"file": str(blank), "class": None, "probabilities": None}


def test_export_says_what_was_written(store, ask, tmp_path, monkeypatch):
    def export(version, name, directory, model, facts):
        directory.mkdir()
        (directory / "tinyvgg.onnx").write_bytes(bytes(12_345))
        return Export(directory / "tinyvgg.onnx", 64, 63, 0.0321)

    monkeypatch.setattr(exporting, "export", export)
    code, found = ask("export", 2, "--format", "onnx", tmp_path / "out")
    assert code == 0
    assert found == {
        "version": 2,
        "format": "onnx",
        "file": str(tmp_path / "out" / "tinyvgg.onnx"),
        "bytes": 12_345,
        "images": 64,
        "same_class": 63,
        "difference": 0.0321,
    }
