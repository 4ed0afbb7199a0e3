"""What the project says of itself to tools: version, licence, hooks and workflow."""

import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

import pipeline
from pipeline import dataset
from pipeline.screen import arguments
from pipeline.screen.command_line import Answer

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


def test_each_package_is_installed_with_the_mark_that_it_has_types(tmp_path):
    build = ["setup.py", "--quiet", "build_py", "--build-lib", tmp_path]
    subprocess.run([sys.executable, *build], cwd=CHECKOUT, check=True)
    packages = {path.name for path in tmp_path.iterdir()}
    assert {"components", "pipeline", "schema", "trainer_module"} <= packages
    assert {file.parent.name for file in tmp_path.glob("*/py.typed")} == packages


@pytest.mark.parametrize("tool", ["ruff check .", "ruff format --check .", "mypy"])
def test_lint_and_a_hook_hold_each_wall(tool):
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert f"\t$(VENV_PYTHON) -m {tool}\n" in makefile
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


def test_the_workflow_fetches_the_data_before_the_tests_that_need_it(monkeypatch):
    [job] = WORKFLOW["jobs"].values()
    commands = [step.get("run", "") for step in job["steps"]]
    [fetch] = [command for command in commands if "pipeline.dataset" in command]
    assert commands.index("make setup") < commands.index(fetch) < commands.index(".ci/run")
    asked = []

    def note(parsed, console):
        asked.append(arguments.load(parsed))
        return Answer({})

    monkeypatch.setattr(dataset, "_prepare", note)
    dataset.main(shlex.split(fetch)[3:])
    # To where `sources.find` looks first.
    assert [(one.dataset.name, one.dataset.dir) for one in asked] == [("fashion_mnist", None)]


def warn(module):
    """As a call in that module does that something is no longer to be used."""
    warnings.warn_explicit("old", DeprecationWarning, "file.py", 1, module, registry={})


@pytest.mark.parametrize("module", ["pipeline", "components.report.page", "tests.test_project"])
def test_a_warning_from_our_code_fails_the_test(module):
    with pytest.raises(DeprecationWarning, match="old"):
        warn(module)


@pytest.mark.parametrize("module", ["tfx", "tensorflow.python.ops", "pipelines", "tfx.components"])
def test_a_warning_from_the_code_of_others_fails_none(module):
    with warnings.catch_warnings(record=True):
        warn(module)
