"""The units of systemd, as systemd itself reads them."""

import configparser
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import client
from pipeline import local_runner
from tests.conftest import require

DEPLOY = Path(client.__file__).parent
UNITS = [DEPLOY / f"tinyvgg-train.{kind}" for kind in ("service", "timer")]


@pytest.fixture(scope="module")
def service():
    parser = configparser.RawConfigParser()
    parser.optionxform = str
    parser.read_string(UNITS[0].read_text(encoding="utf-8"))
    return parser["Service"]


def test_systemd_finds_no_fault_in_them(tmp_path):
    tool = shutil.which("systemd-analyze") or require("systemd-analyze", "install systemd")
    python = tmp_path / "fashion-mnist-pipeline" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    ended = subprocess.run(
        [str(tool), "--user", "verify", *map(str, UNITS)],
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_the_service_runs_a_command_that_there_is(service, capsys):
    _, *argv = shlex.split(service["ExecStart"])
    assert argv[:2] == ["-m", "pipeline.local_runner"]
    assert local_runner.main([*argv[2:], "--print-config"]) == 0
    assert 'name = "fashion_mnist"' in capsys.readouterr().out
    assert service["Environment"].startswith("FASHION_MNIST_DIR=")
