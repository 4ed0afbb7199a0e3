"""What the project says of itself to tools: version, licence, hooks and workflow."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
SETUP = (CHECKOUT / "setup.py").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((CHECKOUT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))


def test_the_changelog_begins_with_the_version_of_the_package():
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    [version] = re.findall(r'version="(.+)"', SETUP)
    assert re.findall(r"^## \[(.+?)\] - ", changelog, re.MULTILINE)[0] == version


def test_the_licence_is_the_one_that_the_package_names():
    licence = (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert 'license="Apache-2.0"' in SETUP
    assert re.search(r"Apache License\n +Version 2\.0", licence)
    assert "END OF TERMS AND CONDITIONS" in licence


def test_each_package_is_installed_with_the_mark_that_it_has_types(tmp_path):
    build = ["setup.py", "--quiet", "build_py", "--build-lib", tmp_path]
    subprocess.run([sys.executable, *build], cwd=CHECKOUT, check=True)
    packages = {path.name for path in tmp_path.iterdir()}
    assert {"components", "pipeline", "schema", "trainer_module"} <= packages
    assert {file.parent.name for file in tmp_path.glob("*/py.typed")} == packages


@pytest.mark.parametrize("tool", ["ruff check .", "ruff format --check .", "mypy"])
def test_lint_and_a_hook_hold_each_wall(tool):
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert f"\t$(PYTHON) -m {tool}\n" in makefile
    calls = [hook["entry"] for hook in HOOKS["repos"][0]["hooks"]]
    assert any(call.startswith(f".venv/bin/python -m {tool.removesuffix(' .')}") for call in calls)


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
