import importlib
import subprocess
import sys

import pytest

from pipeline import __main__ as commands
from pipeline.config import PROJECT_DIRECTORY


@pytest.fixture
def called(monkeypatch):
    """Has every command note down what it is called with, and end with 3."""
    calls = []
    for name, _ in commands.COMMANDS.values():
        module = importlib.import_module(name)

        def main(argv, program, name=name):
            calls.append((name, argv, program))
            return 3

        monkeypatch.setattr(module, "main", main)
    return calls


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("run", "pipeline.local_runner"),
        ("data", "pipeline.dataset"),
        ("schema", "pipeline.schema"),
        ("inspect", "pipeline.inspect"),
        ("serve", "pipeline.serving"),
        ("runs", "pipeline.runs.__main__"),
    ],
)
def test_each_command_is_that_of_its_module_with_all_arguments_and_its_code(name, module, called):
    with pytest.raises(SystemExit) as ended:
        commands.main([name, "x", "--root", "r", "--help"])
    assert ended.value.code == 3
    assert called == [(module, ["x", "--root", "r", "--help"], f"tinyvgg {name}")]


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main(["--help"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in commands.COMMANDS)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "COMMAND is missing; see --help."),
        (["runn"], "There is no command 'runn': did you mean run?"),
        (["--verzion"], "COMMAND is missing; see --help."),
    ],
)
def test_wrong_use_is_one_sentence(argv, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_package_can_be_run_by_its_name(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "serve", "list", "--root", tmp_path, "--json"],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith('{"directory":')
