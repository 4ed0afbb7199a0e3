"""What the scripts that make a Debian say where they can't; `make test-…` runs them for real."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = ("image", "other_stack")


def call(script, tmp_path, user):
    for tool in ("basename", "bash", "dirname"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    return subprocess.run(
        [tmp_path / "bash", HERE / f"{script}.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("user", "word"), [(1000, "root"), (0, "apt-get install mmdebstrap")])
def test_machine_that_can_not_make_a_debian_gets_one_sentence(script, user, word, tmp_path):
    ended = call(script, tmp_path, user)
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"{script}: ")
    assert word in line


def test_every_script_is_called_by_make():
    makefile = (HERE.parents[1] / "Makefile").read_text(encoding="utf-8")
    assert {path.stem for path in HERE.glob("*.sh")} == {*SCRIPTS, "root"}
    assert all(f"bash tests/debian/{script}.sh" in makefile for script in SCRIPTS)
