import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

NOISE = """
import contextlib, os, sys
with contextlib.suppress(OSError):
    os.write(2, b"greeting\\n")
    print("from Python", file=sys.stderr)
level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program where TensorFlow is a module that prints as it is imported."""

    def run(program, end="", **options):
        (tmp_path / "tensorflow.py").write_text(NOISE + end)
        before = (
            f"import sys\nsys.path.insert(0, {str(CHECKOUT)!r})\nfrom components import quiet\n"
        )
        return subprocess.run(
            [sys.executable, "-c", before + textwrap.dedent(program)],
            env={
                **{key: os.environ[key] for key in os.environ if not key.startswith("TF_")},
                "PYTHONPATH": str(tmp_path),
            },
            text=True,
            check=False,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    return run


IMPORT = """
quiet.silence_tensorflow()
quiet.silence_tensorflow()
import tensorflow
print(tensorflow.level, tensorflow.__spec__.name)
print("after", file=sys.stderr)
"""


def test_what_tensorflow_says_as_it_is_imported_is_kept_away_and_no_more(run):
    ended = run(IMPORT)
    assert (ended.stdout, ended.stderr) == ("3 tensorflow\n", "after\n")


def test_without_it_the_stand_in_prints(run):
    assert run("import tensorflow").stderr == "greeting\nfrom Python\n"


def test_level_that_a_person_sets_is_kept(run):
    ended = run("import os\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'" + IMPORT)
    assert ended.stdout == "0 tensorflow\n"


def test_environment_is_as_it_was_until_the_import(run):
    ended = run(
        "import os\nquiet.silence_tensorflow()\nprint(*{*quiet.ENVIRONMENT} & {*os.environ})"
    )
    assert ended.stdout == "\n"


def test_import_that_fails_says_why_with_all_that_was_said(run):
    ended = run(IMPORT, end='raise ImportError("libcuda.so is missing")')
    assert ended.returncode == 1
    assert ended.stderr.startswith("greeting\nfrom Python\nTraceback")
    assert ended.stderr.endswith("ImportError: libcuda.so is missing\n")


def test_interrupt_of_the_import_says_nothing_more(run):
    ended = run(IMPORT, end="raise KeyboardInterrupt")
    assert ended.stderr.startswith("Traceback")


def test_tensorflow_that_is_not_installed_is_said_to_be_so(run, tmp_path):
    ended = run("quiet.silence_tensorflow()\nsys.path[:] = []\nimport tensorflow")
    assert ended.stderr.endswith("No module named 'tensorflow'\n")


def test_standard_error_that_is_closed_is_left_so(run):
    program = """
    import os
    os.close(2)
    quiet.silence_tensorflow()
    import tensorflow
    print(tensorflow.level, os.path.exists("/dev/fd/2"), flush=True)
    """
    assert run(program).stdout == "3 False\n"


def test_reader_of_standard_error_that_has_gone_does_not_end_the_import(run):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        program = IMPORT.replace('print("after", file=sys.stderr)', "")
        ended = run(
            "try:\n" + textwrap.indent(program, "    ") + "\nexcept ImportError: print('failed')",
            stderr=gone,
            end="raise ImportError",
        )
    assert ended.stdout == "failed\n"


def test_no_descriptor_is_left_open(run):
    ended = run(
        "import os\nbefore = os.listdir('/dev/fd')"
        + IMPORT
        + "print(before == os.listdir('/dev/fd'))"
    )
    assert ended.stdout.endswith("True\n")


def test_looking_for_tensorflow_does_not_use_the_silence_up(run):
    ended = run(
        "import importlib.util\nquiet.silence_tensorflow()\n"
        "print(importlib.util.find_spec('tensorflow').origin)" + IMPORT
    )
    assert Path(ended.stdout.splitlines()[0]).name == "tensorflow.py"
    assert ended.stderr == "after\n"


def test_threads_that_import_it_at_once_see_it_whole_and_standard_error_is_back(run):
    program = """
    import threading
    quiet.silence_tensorflow()
    levels = []
    def load():
        import tensorflow
        levels.append(tensorflow.level)
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(*levels)
    print("after", file=sys.stderr)
    """
    ended = run(program, end="del level; import time; time.sleep(0.1); level = 3")
    assert (ended.stdout, ended.stderr) == ("3 3 3 3 3 3 3 3\n", "after\n")


def test_what_libraries_log_and_warn_of_is_kept_quiet_and_errors_are_not(run):
    program = """
    import logging, warnings
    with quiet.kept_quiet():
        logging.warning("soon otherwise")
        warnings.warn("soon otherwise")
        logging.error("broken")
    logging.warning("said")
    """
    assert run(program).stderr == "ERROR:root:broken\nWARNING:root:said\n"
