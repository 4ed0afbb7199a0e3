import errno
import os
import re
from pathlib import Path

import pytest

from pipeline.causes import describe_cause, find_shortage
from pipeline.errors import UserError

GRAPH_ERROR = """Graph execution error:

Detected at node model/conv defined at (most recent call last):
  File "x.py", line 1, in <module>

Input is empty.
"""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("no such slice"), "ValueError: no such slice"),
        (RuntimeError("\n  first line  \nsecond line\n"), "RuntimeError: first line"),
        (RuntimeError(GRAPH_ERROR), "RuntimeError: Input is empty."),
        (ValueError(), "ValueError"),
        (ValueError("  \n \n"), "ValueError"),
        (
            FileNotFoundError(2, "No such file", "/x"),
            "FileNotFoundError: [Errno 2] No such file: '/x'",
        ),
        (KeyError("label"), "KeyError: 'label'"),
        (None, "its inputs could not be resolved"),
    ],
)
def test_a_cause_is_one_line_with_the_kind_of_the_error(error, sentence):
    assert describe_cause(error) == sentence


BEAM = """RuntimeError: OSError: [Errno 28] No space left on device

[while running 'WriteSplit[train]/Write']
"""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x"),
        RuntimeError("INTERNAL: mysql_query aborted: database or disk is full"),
        RuntimeError(BEAM),
        RuntimeError("ResourceExhaustedError: /x/y; No space left on device [Op:SaveV2]"),
    ],
    ids=["python", "sqlite", "beam", "tensorflow"],
)
def test_a_full_disk_is_named_with_what_is_free(error, tmp_path):
    cause = describe_cause(error, [tmp_path, tmp_path / "none"])
    assert re.fullmatch(
        rf"a disk is full: {tmp_path} now has [\d,]+ MB free of [\d,]+ MB; make room there, or "
        "name another directory",
        cause,
    )


def test_of_several_disks_the_fullest_is_named(monkeypatch):
    free = {"/a": (9, 5), "/b": (7, 0), "/c": (8, 3)}

    def usage(place):
        total, left = free[str(place)]
        return os.statvfs_result, total * 10**6, left * 10**6

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage(*usage(place)[1:]))
    cause = find_shortage("No space left on device", [Path(name) for name in free])
    assert "/b now has 0 MB free of 7 MB" in cause


class Usage:
    def __init__(self, total, free):
        self.total, self.free = total, free


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "the quota on a disk is used up"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "is mounted read-only"),
        (RuntimeError("attempt to write a readonly database"), "is mounted read-only"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "raise `ulimit -f`"),
        (RuntimeError("query: COMMIT; disk I/O error"), "look at the system's log"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "raise `ulimit -n`"),
        (RuntimeError("can't start new thread"), "raise `ulimit -u`"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "raise `ulimit -u`"),
        (MemoryError(), "there is not enough memory: "),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "lower training.memory_mb"),
        (RuntimeError("OOM when allocating tensor with shape[55000,28,28]"), "not enough memory"),
        (ValueError("Unable to allocate 2 GiB for an array"), "not enough memory"),
    ],
)
def test_what_is_used_up_is_told_with_what_would_help(error, said):
    assert said in describe_cause(error)


def test_what_is_used_up_is_found_where_another_error_was_made_of_it():
    error = ValueError("it failed")
    error.__cause__ = RuntimeError("again")
    error.__cause__.__context__ = MemoryError()
    assert describe_cause(error).startswith("there is not enough memory: ")


def test_a_limit_on_files_is_what_sqlite_calls_an_error_of_the_disk(small_files_only):
    with small_files_only(4096):
        cause = describe_cause(RuntimeError("disk I/O error"))
    assert cause == "a file may not be larger than 4,096 bytes: raise `ulimit -f`"


def test_a_chain_of_errors_that_is_a_circle_has_an_end():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert describe_cause(first) == "ValueError: first"


def test_a_sentence_stays_as_it_is():
    assert describe_cause(UserError("No data.")) == "No data."


def test_what_is_not_used_up_is_no_shortage():
    assert find_shortage(ValueError("no such slice")) is None
    assert find_shortage("Fatal Python error: Segmentation fault") is None
