"""The README's tables are held against the commands and the configuration."""

import re
from pathlib import Path

import pytest

from components.model_formats.formats import FORMATS
from deploy import client
from pipeline import config, dataset, inspect, local_runner, serving
from tests.toml import as_toml

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


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
