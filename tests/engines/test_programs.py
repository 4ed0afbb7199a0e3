import shutil

import pytest

from tests.engines import programs

BUILD = """#!/bin/sh
echo "$2" >>"$LOG"
name=${2%@*}
echo built >"$GOBIN/${name##*/}"
"""
FAIL = """#!/bin/sh
echo "go: downloading" >&2
echo "go: no such version" >&2
exit 1
"""


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Has this machine an empty cache, and a Go that does what it is told."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "cat"):
        (tools / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOG", str(tmp_path / "built"))

    def go(script):
        (tools / "go").write_text(script)
        (tools / "go").chmod(0o755)
        return tmp_path / "built"

    return go


def test_programs_are_built_once_in_the_version_that_is_asked_for(go):
    built = go(BUILD)
    directory = programs.provide("2.74.0")
    assert programs.provide("2.74.0") == directory
    assert {"boot", "prism"} <= {path.name for path in directory.iterdir()}
    assert (directory / "boot").read_text() == "built\n"
    sources = built.read_text().splitlines()
    assert len(sources) == 2
    assert all(source.endswith("@v2.74.0") for source in sources)


def test_machine_without_go_is_told_of(go):
    with pytest.raises(programs.NoProgramsError, match="there is no Go to build it: install Go"):
        programs.provide("2.74.0")


def test_what_go_said_last_is_handed_on_and_nothing_is_left(go):
    go(FAIL)
    with pytest.raises(programs.NoProgramsError, match="failed: go: no such version"):
        programs.provide("2.74.0")
    go(BUILD)
    assert (programs.provide("2.74.0") / "prism").exists()
