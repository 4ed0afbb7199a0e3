"""What the project says of itself to tools: version, licence, hooks and workflow."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

import pipeline

CHECKOUT = Path(__file__).resolve().parents[1]
SETUP = (CHECKOUT / "setup.py").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((CHECKOUT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))


def test_the_changelog_begins_with_the_version_of_the_package():
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.+?)\] - ", changelog, re.MULTILINE)[0] == pipeline.__version__


def test_the_licence_is_the_one_that_the_package_names():
    licence = (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert 'license="Apache-2.0"' in SETUP
    assert re.search(r"Apache License\n +Version 2\.0", licence)
    assert "END OF TERMS AND CONDITIONS" in licence


def test_no_hook_fetches_anything():
    assert [place["repo"] for place in HOOKS["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS["repos"][0]["hooks"]} == {"system"}


@pytest.mark.parametrize("hook", HOOKS["repos"][0]["hooks"], ids=lambda hook: hook["id"])
def test_hook_calls_a_tool_of_the_project(hook):
    command = shlex.split(hook["entry"])
    assert command[:2] == [".venv/bin/python", "-m"]
    assert all((CHECKOUT / word).exists() for word in command if word.startswith("tests/"))


def test_the_workflow_runs_on_both_stacks_what_any_machine_runs():
    [job] = WORKFLOW["jobs"].values()
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    machines = [row["machine"] for row in job["strategy"]["matrix"]["include"]]
    assert machines == ["ubuntu-22.04", "ubuntu-24.04"]
