"""The weaknesses that SECURITY.md says the locked packages have."""

import contextlib
import os
import re
import warnings
from pathlib import Path

import apache_beam  # noqa: F401
import pyarrow
import pytest
from google.protobuf.internal import api_implementation

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| (\S+) (\S+) \| TFX (\S+) \| .*CVE-", (CHECKOUT / "SECURITY.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("package", "version", "stack"), ROWS)
def test_package_with_a_known_weakness_is_still_locked(package, version, stack):
    lock = (CHECKOUT / "requirements" / f"tfx-{stack}.txt").read_text(encoding="utf-8")
    assert f"\n{package}=={version} " in lock


def test_weaknesses_are_listed():
    assert {package for package, _, _ in ROWS} == {"ipython", "onnx", "protobuf", "pyarrow"}


def test_reading_arrow_data_runs_no_code(tmp_path):
    """By Beam's import of pyarrow_hotfix where pyarrow is older than 14."""
    trap = tmp_path / "ran"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        class Trap(pyarrow.PyExtensionType):
            def __init__(self):
                super().__init__(pyarrow.int64())

            def __reduce__(self):
                return os.mkdir, (trap,)

        written = pyarrow.schema([("column", Trap())]).serialize()
        with contextlib.suppress(RuntimeError):
            pyarrow.ipc.read_schema(written)
    assert not trap.exists()


def test_protobuf_is_not_parsed_in_python():
    assert api_implementation.Type() != "python"
