import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import OPTIONAL, REQUIRE_ALL

CHECKOUT = Path(__file__).resolve().parents[1]

TINY = """
from tests.conftest import require

def test_tiny():
    require({thing!r}, {obstacle!r})
"""


@pytest.mark.parametrize(
    ("thing", "obstacle", "where_all_is_required", "outcome"),
    [
        ("a loom", "buy one", False, "skipped"),
        ("a loom", "buy one", True, "failed"),
        ("a loom", None, True, "passed"),
        *((thing, "there is none", True, "skipped") for thing in OPTIONAL),
    ],
)
def test_test_that_lacks_something_is_skipped_or_fails_where_all_is_required(
    tmp_path, thing, obstacle, where_all_is_required, outcome
):
    file = tmp_path / "test_tiny.py"
    file.write_text(TINY.format(thing=thing, obstacle=obstacle))
    environment = {name: value for name, value in os.environ.items() if name != REQUIRE_ALL}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, file],
        env=environment | ({REQUIRE_ALL: "1"} if where_all_is_required else {}),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert f"1 {outcome}" in ended.stdout, ended.stdout + ended.stderr
    assert (f"needs {thing}: {obstacle}" in ended.stdout) == (obstacle is not None)


def test_continuous_integration_requires_all():
    assert f"export {REQUIRE_ALL}=1" in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")


def test_no_test_is_skipped_but_by_what_it_requires():
    words = re.compile(
        r"pytest\.(skip|importorskip|mark\.skip\w*|mark\.xfail|xfail)\b|unittest\.skip"
    )
    files = [
        file for file in (CHECKOUT / "tests").rglob("*.py") if file.name != Path(__file__).name
    ]
    skipping = [file for file in files if words.search(file.read_text(encoding="utf-8"))]
    assert skipping == [CHECKOUT / "tests" / "conftest.py"]
