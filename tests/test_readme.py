"""The README's tables are held against the commands and the configuration."""

import json
import re
from pathlib import Path

import pytest

from pipeline import config, dataset, local_runner

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def knob_rows() -> list[str]:
    rows = []
    for group_name, group in config.Config.model_fields.items():
        defaults = group.annotation().model_dump(mode="json")
        for name, field in group.annotation.model_fields.items():
            default = "" if defaults[name] is None else f"`{json.dumps(defaults[name])}`"
            rows.append(f"| `{group_name}.{name}` | {default} | {field.description} |")
    return rows


@pytest.mark.parametrize("row", knob_rows())
def test_every_knob_stands_in_the_readme_with_its_default(row):
    assert row in README.splitlines()


def test_readme_names_no_knob_that_does_not_exist():
    known = {row.split("`")[1] for row in knob_rows()}
    named = set(re.findall(r"^\| `(\w+\.\w+)` \|", README, re.MULTILINE))
    assert named == known


@pytest.mark.parametrize("command", [local_runner.main, dataset.main])
def test_every_flag_stands_in_the_readme(command, capsys):
    arguments = [["--help"]] if command is local_runner.main else [["prepare", "--help"]]
    for argv in arguments:
        with pytest.raises(SystemExit):
            command(argv)
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert flags
    assert not {flag for flag in flags if f"`{flag}" not in README}


def test_readme_names_no_flag_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        local_runner.main(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    [section] = re.findall(r"^## Commands$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(--[a-z][a-z-]+)", section)) <= known
