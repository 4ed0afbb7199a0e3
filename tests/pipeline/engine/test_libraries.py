import subprocess
import sys

import pytest

from pipeline.config import PROJECT_DIRECTORY


def call(program: str) -> str:
    """Runs a program in a process of its own, and returns what it prints."""
    preamble = "from pipeline.engine.libraries import *\n"
    return subprocess.run(
        [sys.executable, "-c", preamble + program],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_no_garbage_is_looked_for_in_what_is_loaded():
    program = """
import gc
seen = []
gc.callbacks.append(lambda phase, _: seen.append(phase))
load_libraries()
print(seen, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""
    assert call(program) == "[] True True\n"


@pytest.mark.parametrize(
    ("use", "unused"),
    [
        ("", True),
        ("load_libraries()", True),
        # As records are looked at.
        ("tf.train.Example.FromString(b''); tf.io.gfile.glob('*')", True),
        # As a PNG is that is not the common one.
        ("from trainer_module.preprocessing import decode_image\n"
         "try: decode_image(b'none')\n"
         "except tf.errors.OpError: pass", False),
        ("list(tf.data.Dataset.range(1))", False),
    ],
    ids=["imported", "all loaded", "parsed", "decoded", "read"],
)  # fmt: skip
def test_it_is_known_whether_tensorflow_has_computed(use, unused):
    program = f"""
import tensorflow as tf
{use}
print(is_tensorflow_unused(), is_tensorflow_unused())
"""
    assert call(program) == f"{unused} {unused}\n"


def test_asking_leaves_the_number_of_threads_as_it_is():
    program = """
import tensorflow as tf
is_tensorflow_unused()
print(tf.config.threading.get_intra_op_parallelism_threads())
"""
    assert call(program) == "0\n"
