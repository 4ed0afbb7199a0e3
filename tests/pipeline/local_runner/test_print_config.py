import json
import subprocess
import sys

import pytest

from pipeline import config, local_runner, presets
from pipeline.config import PROJECT_DIRECTORY, load_config
from pipeline.errors import UserError

PRINT = """
import sys
from pipeline import local_runner

code = local_runner.main(["--print-config", "--config", "smoke"])
slow = ("tensorflow", "keras", "tfx", "apache_beam", "ml_metadata", "scipy", "pandas")
print("# loaded:", int(code), *(name for name in slow if name in sys.modules))
"""


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--config", "wide"],
        ["--epochs", "3", "--root", "r", "--serving-dir", "s", "--set", "model.dropout=0.25"],
    ],
)
def test_settings_that_are_printed_are_those_of_the_flags_and_can_be_given_back(
    argv, worker, capsys, tmp_path
):
    assert local_runner.main(["--print-config", *argv]) == 0
    file = tmp_path / "settings.toml"
    file.write_text(capsys.readouterr().out)
    expected = local_runner._load(local_runner._parse(argv, "p"))
    assert load_config(file) == expected
    assert (expected == config.Config()) == (argv == [])
    assert not worker.requests
    assert list(tmp_path.iterdir()) == [file]


def test_settings_are_printed_as_one_object_too(capsys):
    local_runner.main(["--print-config", "--json", "--config", "smoke"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == load_config(presets.find("smoke")).model_dump(mode="json")


def test_settings_that_are_not_allowed_are_refused_and_nothing_is_printed(capsys):
    with pytest.raises(UserError, match=r"training\.epochs = 0 is not allowed"):
        local_runner.main(["--print-config", "--epochs", "0"])
    assert capsys.readouterr().out == ""


def test_settings_are_printed_without_loading_what_is_slow():
    ended = subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines()[-1] == "# loaded: 0", ended.stderr
