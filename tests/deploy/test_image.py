"""The Dockerfile, as far as it can be judged without following it, as `make test-image` does."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = CHECKOUT / "deploy" / "Dockerfile"
IGNORED = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def stages():
    """The instructions of each stage with what follows them."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    starts = [number for number, (name, _) in enumerate(lines) if name == "FROM"]
    return [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def given(stage, name):
    return [rest for instruction, rest in stage if instruction == name]


def test_first_stage_sets_up_as_everywhere_else_and_the_last_one_takes_it_over(stages):
    build, last = stages
    assert given(build, "FROM") == ["debian:13-slim AS build"]
    assert given(last, "FROM") == ["debian:13-slim"]
    assert any("bash requirements/setup.sh" in rest for rest in given(build, "RUN"))
    assert given(last, "COPY") == ["--from=build /app /app"]
    # The scripts of an environment name its path.
    assert given(build, "WORKDIR") == given(last, "WORKDIR") == ["/app"]


def test_tools_to_build_are_in_the_first_stage_only(stages):
    tools = re.compile(r"\b(g\+\+|gcc|python3-dev|python3-venv|build-essential)")
    build, last = (" ".join(given(stage, "RUN")) for stage in stages)
    assert tools.search(build)
    assert not tools.search(last)


def test_job_runs_as_a_user_who_owns_what_it_writes_only(stages):
    last = stages[-1]
    names = [name for name, _ in last]
    [user] = given(last, "USER")
    assert user not in ("root", "0")
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]
    [owned] = re.findall(rf"--owner={user} (.*)", "\n".join(given(last, "RUN")))
    [volumes] = map(json.loads, given(last, "VOLUME"))
    assert volumes == [f"/app/{directory}" for directory in owned.split()]


def test_job_is_the_pipeline_and_has_no_health_to_check(stages):
    last = stages[-1]
    assert given(last, "HEALTHCHECK") == ["NONE"]
    [entrypoint] = map(json.loads, given(last, "ENTRYPOINT"))
    [command] = map(json.loads, given(last, "CMD"))
    assert entrypoint == ["python", "-m"]
    assert command == ["pipeline.local_runner", "--serving-dir", "serving"]


def test_what_setup_needs_is_copied_before_it_runs(stages):
    build = stages[0]
    before = build[: next(i for i, (_, rest) in enumerate(build) if "setup.sh" in rest)]
    copied = {word for rest in given(before, "COPY") for word in rest.split()[:-1]}
    assert {"requirements", "setup.py", "README.md"} <= copied
    assert all((CHECKOUT / path).exists() for path in copied)


def test_context_has_the_sources_and_nothing_that_git_ignores():
    patterns = [line.removeprefix("**/") for line in IGNORED]
    for line in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines():
        assert any(fnmatch.fnmatch(line.strip("/"), pattern) for pattern in patterns), line
    assert ".git" in IGNORED
    kept = {"pipeline", "components", "trainer_module", "schema", "deploy", "requirements"}
    assert not kept & set(IGNORED)
