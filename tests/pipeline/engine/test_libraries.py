import subprocess
import sys

import pytest

from pipeline.config import PROJECT_DIRECTORY

PROGRAM = """
import gc
from pipeline.engine.libraries import Libraries
seen, libraries = [], Libraries()
gc.callbacks.append(lambda phase, _: seen.append(phase))
{before}
seen.clear()
libraries.load()
libraries.load()
print(seen, gc.isenabled(), gc.get_freeze_count() > 100_000, libraries.unused)
"""


@pytest.mark.parametrize(("before", "unused"), [("", True), ("import tensorflow", False)])
def test_no_garbage_is_looked_for_in_what_is_loaded_and_what_was_there_is_told(before, unused):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == f"[] True True {unused}\n"
