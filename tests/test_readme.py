"""The README's tables and commands are held against the commands and the configuration."""

import argparse
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from components.model_formats.formats import FORMATS
from deploy import client
from pipeline import config, dataset, inspect, local_runner, serving
from tests.toml import as_toml

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def knob_rows() -> list[str]:
    rows = []
    for group_name, group in config.Config.model_fields.items():
        defaults = group.annotation().model_dump(mode="json")
        for name, field in group.annotation.model_fields.items():
            default = "" if defaults[name] is None else f"`{as_toml(defaults[name])}`"
            rows.append(f"| `{group_name}.{name}` | {default} | {field.description} |")
    return rows


@pytest.mark.parametrize("row", knob_rows())
def test_every_knob_stands_in_the_readme_with_its_default(row):
    assert row in README.splitlines()


def test_readme_names_no_knob_that_does_not_exist():
    known = {row.split("`")[1] for row in knob_rows()}
    named = set(re.findall(r"^\| `(\w+\.\w+)` \|", README, re.MULTILINE))
    assert named == known


SERVING_COMMANDS = ("list", "check", "rollback", "pin", "unpin", "predict", "export", "prune")


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (local_runner.main, []),
        (dataset.main, ["prepare"]),
        (inspect.main, []),
        *((serving.main, [name]) for name in SERVING_COMMANDS),
        (client.main, []),
    ],
)
def test_every_flag_stands_in_the_readme(command, argv, capsys):
    with pytest.raises(SystemExit):
        command([*argv, "--help"])
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert flags
    assert not {flag for flag in flags if not re.search(rf"[` ]{flag}\b", README)}


def test_every_serving_command_stands_in_the_readme_and_no_other(capsys):
    with pytest.raises(SystemExit):
        serving.main(["--help"])
    listed = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert tuple(listed) == SERVING_COMMANDS
    [section] = re.findall(r"^## Serving$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?`) \| ", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z]+)\b", row)}
    assert named == set(SERVING_COMMANDS)


def test_every_format_stands_in_the_table_of_formats_and_no_other():
    [section] = re.findall(r"^### Other formats$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"^\|[^|]+\| `([a-z0-9-]+)` \| 0", section, re.MULTILINE)) == tuple(
        FORMATS
    )


def test_the_flags_of_inspect_stand_in_its_section_and_no_other(capsys):
    with pytest.raises(SystemExit):
        inspect.main(["--help"])
    flags = re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
    own = set(flags) - {"--root", "--serving-dir", "--dataset", "--config", "--set"}
    [section] = re.findall(r"^## Looking at runs$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?`) \| ", section, re.MULTILINE)
    assert {flag for row in rows for flag in re.findall(r"--[a-z]+", row)} == own
    assert {"RUN", "serving", "runs"} <= {name for row in rows for name in re.findall(r"\w+", row)}


def test_readme_names_no_flag_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        local_runner.main(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    [section] = re.findall(r"^## Commands$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(--[a-z][a-z-]+)", section)) <= known


def test_every_file_that_the_readme_names_is_there():
    tops = "benchmarks|components|deploy|pipeline|requirements|schema|tests|trainer_module"
    named = re.findall(rf"`((?:{tops})/[\w./-]*)`", README)
    assert named
    assert not [path for path in named if not (CHECKOUT / path).exists()]


# What the README's placeholders may stand for.
FILLED = {
    "RUN": "2026",
    "VERSION": "1",
    "N": "1",
    "IMAGE…": "coat.png",
    "SLICING": "ink",
    "COLUMN": "recall",
    "FORMAT": "csv",
    "DIR": "directory",
    "FILE": "settings.toml",
    "NAME": "sample",
    "NODE": "Trainer",
    "GROUP.KEY=VALUE": "training.epochs=1",
    "HOST:PORT": "localhost:8501",
}

PROGRAM = re.compile(r"(?:\$ )?(?:\.venv/bin/)?((?:python -m [\w.]+|make|tensorboard)(?: .*)?)$")


def read_commands() -> list[str]:
    """Commands in the code blocks, in the text and in the tables of commands."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", prose)
    found = [match[1] for text in lines + spans if (match := PROGRAM.match(text))]
    tables = {"Looking at runs": inspect, "Serving": serving, "Commands": local_runner}
    for heading, module in tables.items():
        section = re.search(rf"^## {heading}$(.*?)^## ", README, re.MULTILINE | re.DOTALL)[1]
        for cell in re.findall(r"^\| (`(?:--|[a-z]).*?`) \| ", section, re.MULTILINE):
            # Flags in one cell go together; the signatures and settings are no commands.
            arguments = " ".join(re.findall(r"`(.*?)`", cell))
            if not PROGRAM.match(arguments):
                found.append(f"python -m {module.__name__} {arguments}")
    return sorted(set(found))


class ParsedError(Exception):
    """The arguments were parsed, and what follows is left out."""


@pytest.fixture
def parse(monkeypatch):
    """Lets the parser of a module take arguments, and no more."""
    take = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, args=None, namespace=None):
        take(self, args, namespace)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)

    def parse(name: str, arguments: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", [name, *(arguments or ["--help"])])
        # What ends without having parsed ends well, by its help, or not at all.
        with pytest.raises((ParsedError, SystemExit)) as ended:
            importlib.import_module(name).main()
        assert getattr(ended.value, "code", 0) == 0, arguments

    return parse


def fill(command: str) -> list[str]:
    return [FILLED.get(word, word) for word in shlex.split(command, comments=True)]


COMMANDS = read_commands()


def commands_of(program: str) -> list[str]:
    return [command for command in COMMANDS if command.split()[0] == program]


def test_the_readme_names_commands_of_every_kind():
    for command in (
        "python -m pipeline.local_runner",
        "python -m pipeline.inspect --compare serving --worst 3",
        "python -m pipeline.inspect --sort COLUMN --descending",
        "python -m pipeline.serving rollback VERSION",
        "python -m pipeline.local_runner --from-node NODE",
        'make run ARGS="--epochs 5"',
        "tensorboard --logdir output/artifacts",
    ):
        assert command in COMMANDS


@pytest.mark.parametrize("command", commands_of("python"))
def test_command_of_the_readme_is_parsed_by_its_own_parser(command, parse, capsys):
    _, _, name, *arguments = fill(command)
    parse(name, arguments)
    files = [word for word in arguments if word.startswith("pipeline/")]
    assert all((CHECKOUT / file).is_file() for file in files)


@pytest.mark.parametrize("command", commands_of("make"))
def test_make_knows_the_target_and_passes_arguments_that_are_parsed(command, parse, capsys):
    ended = subprocess.run(
        # It says what it would do.
        ["make", "--dry-run", *fill(command)[1:]],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for line in re.findall(r"python -m (pipeline\..*)", ended.stdout):
        name, *arguments = shlex.split(line)
        parse(name, arguments)


@pytest.mark.parametrize("command", commands_of("tensorboard"))
def test_tensorboard_starts_and_knows_the_flags(command):
    ended = subprocess.run(
        [Path(sys.executable).with_name("tensorboard"), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    flags = [word for word in fill(command) if word.startswith("--")]
    assert flags
    assert set(flags) <= set(re.findall(r"--\w+", ended.stdout))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("pipeline.serving list", 0, "No model was pushed here yet."),
        ("pipeline.inspect", 2, "has no runs"),
        ("pipeline.inspect runs", 2, "has no runs"),
        ("pipeline.dataset info --dataset sample", 0, "sample: "),
    ],
)
def test_command_answers_in_an_empty_root(command, code, said, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", *command.split(), "--root", tmp_path / "root"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (code, True), ended
    assert "Traceback" not in ended.stderr
