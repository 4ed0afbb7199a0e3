import subprocess
import sys

import pytest

from components.model_formats.export import Export
from pipeline.config import PROJECT_DIRECTORY
from pipeline.serving_commands import exporting


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Stands for the conversion; a list of what it was asked for."""
    asked = []

    def export(version, name, directory, model, facts):
        asked.append((version, name, directory, facts))
        directory.mkdir()
        (directory / f"{model}.{name}").write_bytes(bytes(12_345))
        return Export(directory / f"{model}.{name}", 64, 63, 0.0321)

    monkeypatch.setattr(exporting, "export", export)
    return asked


def test_export_says_what_was_written_and_how_it_answers(store, run, exported, tmp_path):
    code, lines = run("export", 2, "--format", "onnx", tmp_path / "out")
    assert code == 0
    assert lines == [
        f"{tmp_path}/out/tinyvgg.onnx, 12 kB; tinyvgg.json says what it takes and gives",
        "It answers as version 2 does: 63 of 64 images get the same class, at most 0.03 apart.",
    ]
    facts = {"version": 2, "run": "run-2"}
    assert exported == [(store.directory / "2", "onnx", tmp_path / "out", facts)]


def test_export_does_not_convert_a_tampered_version(store, run, exported, tmp_path, refusal):
    (store.directory / "3" / "saved_model.pb").write_text("tampered")
    with refusal("Version 3 is not as it was pushed"):
        run("export", 3, "--format", "onnx", tmp_path / "out")
    assert not exported


def test_export_into_a_directory_that_exists_is_one_sentence(store, run, tmp_path, refusal):
    with refusal(tmp_path, "exists"):
        run("export", 3, "--format", "keras", tmp_path)


def test_export_that_is_terminated_leaves_nothing(store, root, tmp_path):
    # Slow to start, as a conversion is: it waits for the end of what nobody writes to.
    program = """
import os, signal, sys, threading
from components.model_formats import export
from pipeline import serving
from pipeline.serving_commands import exporting
from pipeline.screen import command_line

export._PROGRAM = (sys.executable, "-c", "import time; print(flush=True); time.sleep(600)")
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
command_line.exit_with(lambda: serving.main(sys.argv[1:]))
"""
    arguments = ["export", "3", "--format", "keras", tmp_path / "out", "--root", root]
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    assert list(tmp_path.iterdir()) == [root]
