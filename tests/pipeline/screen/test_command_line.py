import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from pipeline import config, nodes, workspace
from pipeline.config import PROJECT_DIRECTORY
from pipeline.errors import LostProcessError, UserError
from pipeline.screen import command_line


def test_each_file_that_is_downloaded_has_one_line_with_its_bytes():
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    with command_line.download_progress(console) as update:
        update("images.gz", 100, 4000)
        update("images.gz", 3000, 4000)
        update("labels.gz", 1000, 1000)
    images, labels = screen.getvalue().strip().splitlines()
    assert "downloading images.gz" in images
    assert "3.0/4.0 kB" in images
    assert "downloading labels.gz" in labels
    assert "1.0/1.0 kB" in labels


def test_a_file_of_unknown_size_is_shown_too():
    screen = io.StringIO()
    with command_line.download_progress(Console(file=screen, width=120)) as update:
        update("images.gz", 3000, 0)
    [line] = screen.getvalue().strip().splitlines()
    assert "downloading images.gz" in line
    assert "3.0/? kB" in line


def test_the_screen_is_released_when_a_download_is_broken_off():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)

    def download():
        with command_line.download_progress(console) as update:
            update("images.gz", 100, 4000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download()
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert hide in console.file.getvalue()
    assert show in console.file.getvalue().rpartition(hide)[2]


def test_without_a_download_nothing_is_shown():
    screen = io.StringIO()
    with command_line.download_progress(Console(file=screen)):
        pass
    assert screen.getvalue() == ""


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_exits_with_the_code_it_returns(code):
    with pytest.raises(SystemExit) as ended:
        command_line.exit_with(lambda: code)
    assert ended.value.code == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("No [b]data[/b]."), 2, "error: No [b]data[/b].\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_a_users_error_and_an_interrupt_are_one_line(error, code, said, capsys):
    def command():
        raise error

    with pytest.raises(SystemExit) as ended:
        command_line.exit_with(command)
    assert ended.value.code == code
    assert capsys.readouterr() == ("", said)


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command_line.exit_with(lambda: 1 // 0)


def test_a_reader_that_has_enough_ends_a_command_quietly():
    program = (
        "from pipeline.screen import command_line\n"
        "command_line.exit_with(lambda: print('line\\n' * 100_000))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_the_screen_can_not_show_does_not_end_a_command(encoding):
    program = (
        "from pipeline.screen import command_line\n"
        "command_line.exit_with(lambda: print('a \\u2588 b \\udcff c'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.rstrip().endswith("b \\udcff c")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_locale_that_lacks_characters_does_not_end_a_command(encoding):
    program = (
        "from pipeline.screen import command_line\n"
        "def show():\n"
        "    command_line.make_console().print('28\\u00d728', soft_wrap=True)\n"
        "    print('\\udcff')\n"
        "command_line.exit_with(show)"
    )
    utf8 = str(int(encoding == "utf-8"))
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    shown = "28×28" if encoding == "utf-8" else "28\\xd728"
    assert ended.stdout.splitlines() == [shown, "\\udcff"]


@pytest.mark.parametrize(
    ("columns", "width"),
    [("0", 240), ("1", 240), ("19", 240), ("20", 20), ("100", 100), ("wide", 80), ("", 80)],
)
def test_a_width_that_shows_nothing_is_not_believed(monkeypatch, capsys, columns, width):
    monkeypatch.setenv("COLUMNS", columns)

    def command():
        print(command_line.make_console().width)
        return 0

    with pytest.raises(SystemExit):
        command_line.exit_with(command)
    assert capsys.readouterr().out == f"{width}\n"


def test_command_that_imports_tensorflow_does_not_see_the_machine_s_settings_of_keras(tmp_path):
    # One that Keras fails on as it is imported, and TensorFlow with it.
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16"}')
    program = """
from pipeline.screen import command_line

def command():
    import tensorflow
    import keras
    print(keras.config.backend(), keras.config.floatx())
    return 0

command_line.exit_with(command)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch"},
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "tensorflow float32\n"), ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        "pipeline.serving list",
        "pipeline.dataset info --dataset sample",
        "pipeline.dataset prepare --dataset sample",
        "pipeline.inspect runs --help",
    ],
)
def test_output_on_a_full_disk_is_a_sentence(command, tmp_path):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", *command.split(), "--root", tmp_path],
            cwd=PROJECT_DIRECTORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: The output can't be written: No space left on device.\n"


def test_command_does_its_work_though_nobody_reads_its_output(tmp_path):
    command = "pipeline.dataset prepare --dataset sample --set dataset.max_examples=20 --root"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), tmp_path],
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    assert list(tmp_path.glob("**/dataset.json"))


def test_disk_that_is_full_is_a_sentence(tmp_path, capsys):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "file"))

    with pytest.raises(SystemExit) as ended:
        command_line.exit_with(fail)
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: A disk is full: {tmp_path} now has ")


def test_process_that_died_is_a_sentence(capsys):
    def fail():
        raise LostProcessError("A process that wrote records was ended by SIGKILL.")

    with pytest.raises(SystemExit) as ended:
        command_line.exit_with(fail)
    assert ended.value.code == 1
    told = "error: A process that wrote records was ended by SIGKILL.\n"
    assert capsys.readouterr().err == told


def test_error_of_a_file_is_not_taken_for_one_of_the_output():
    def fail():
        raise PermissionError(13, "Permission denied", "/some/file")

    with pytest.raises(PermissionError):
        command_line.exit_with(fail)


RUN = "2026-11-24T13-20-16.112"


@pytest.fixture
def root(tmp_path, record_run):
    """A version that is no model, a picture, and a run that was killed after its Evaluator."""
    place = workspace.workspace(config.Paths(root=tmp_path), "fashion_mnist")
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("no model")
    Store(place.serving_model_dir).push(model, ModelFacts(run=RUN))
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / "picture.png")
    place.run_dir(RUN).mkdir(parents=True)
    (place.run_dir(RUN) / "pipeline.log").touch()
    states = {nodes.EVALUATOR: "COMPLETE", nodes.PUSHER: "RUNNING"}
    record_run(place.metadata, RUN, states, evaluation=str(tmp_path / "evaluation"))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("pipeline.dataset prepare --dataset sample --root {root}", 0, ""),
        ("pipeline.serving check 1 --root {root}", 1, ""),
        ("pipeline.serving predict {root}/picture.png --root {root}", 2, "error: .*\n"),
        ("pipeline.serving export 1 --format keras {root}/x --root {root}", 2, "error: .*\n"),
        (f"pipeline.inspect {RUN} --root {{root}}", 2, f"Run {RUN} left no .*\nerror: .*\n"),
        ("deploy.client --grpc --address 127.0.0.1:1 {root}/picture.png", 2, "error: .*\n"),
    ],
    ids=["dataset", "check", "predict", "export", "inspect", "client"],
)
def test_command_that_loads_tensorflow_says_only_what_it_has_to_say(root, command, code, said):
    ended = subprocess.run(
        [sys.executable, "-m", *command.format(root=root).split()],
        cwd=PROJECT_DIRECTORY,
        env={key: value for key, value in os.environ.items() if not key.startswith("TF_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert re.fullmatch(said, ended.stderr), ended.stderr
