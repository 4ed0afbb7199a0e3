"""Why something failed, in a sentence; what a machine has run out of, with what would help.

Libraries put that into words of their own, and many lose the number of the error on the way.
Free of TensorFlow.
"""

import re
import resource
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.errors import LostProcessError, UserError

Places = Collection[Path]

_MEGABYTE = 1_000_000
_DEPTH = 20
"""Of a chain of exceptions: enough for any, and an end for one that is a circle."""


def describe_cause(error: BaseException | None, places: Places = ()) -> str:
    """Puts an exception into a sentence: what is used up, or its kind and the line that says most.

    Args:
        error: what a node raised; None where it raised nothing.
        places: directories that are written, whose disk may be full.
    """
    if error is None:
        return "its inputs could not be resolved"
    if isinstance(error, UserError | LostProcessError):
        return str(error)
    shortage = find_shortage(error, places)
    if shortage:
        return shortage
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TensorFlow puts where it happened first and what happened last.
    if lines and lines[0].startswith("Graph execution error"):
        lines.reverse()
    # A heading says nothing without what it is of, as of what Beam finds wrong in its arguments.
    if lines[1:] and lines[0].endswith(":"):
        lines[0] = f"{lines[0]} {lines[1]}"
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def find_shortage(found: BaseException | str, places: Places = ()) -> str | None:
    """Finds what has run out: space, memory, threads or open files.

    Args:
        found: an exception, or what a process has printed.
        places: directories that are written; of those that exist, the fullest is named.

    Returns:
        What there is too little of, how much there is, and what would help; None for anything else.
    """
    told = found if isinstance(found, str) else "\n".join(_texts(found))
    for pattern, describe in _SHORTAGES:
        if pattern.search(told):
            return describe(places)
    return None


def _texts(error: BaseException) -> Iterator[str]:
    one: BaseException | None = error
    for _ in range(_DEPTH):
        if one is None:
            return
        yield f"{type(one).__name__}: {one}"
        one = one.__cause__ or one.__context__


def _describe_disk(places: Places) -> str:
    usage = _fullest(places)
    where = f": {usage}" if usage else ""
    return f"a disk is full{where}; make room there, or name another directory"


def _describe_quota(places: Places) -> str:
    return _describe_disk(places).replace("a disk is full", "the quota on a disk is used up")


def _fullest(places: Places) -> str:
    found = []
    for place in places:
        with suppress(OSError):
            usage = shutil.disk_usage(place)
            found.append((usage.free, usage.total, place))
    if not found:
        return ""
    free, total, place = min(found)
    return f"{place} now has {_megabytes(free)} free of {_megabytes(total)}"


def _describe_read_only() -> str:
    return (
        "a file system is mounted read-only, or was made so after an error of the disk: mount it "
        "to be written, or name another directory"
    )


def _describe_file_size() -> str:
    return f"a file may not be larger than {_limit(resource.RLIMIT_FSIZE)} bytes: raise `ulimit -f`"


def _describe_disk_error() -> str:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return _describe_file_size()
    return "a disk can't be read or written, as SQLite says: look at the system's log"


def _describe_memory() -> str:
    free = re.search(r"^MemAvailable: *(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    there = f"{_megabytes(int(free[1]) * 1024)} are free" if free else "it is used up"
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        there += f", and a process may have {_megabytes(limit)} (`ulimit -v`)"
    return (
        f"there is not enough memory: {there}; end other programs, or lower training.memory_mb or "
        "training.batch_size"
    )


def _describe_threads() -> str:
    return (
        "no more threads or processes may be started: end other programs of this user, or raise "
        f"`ulimit -u`, which is {_limit(resource.RLIMIT_NPROC)}"
    )


def _describe_files() -> str:
    return (
        "no more files may be open at once: raise `ulimit -n`, which is "
        f"{_limit(resource.RLIMIT_NOFILE)}, to 1024"
    )


_SHORTAGES: tuple[tuple[re.Pattern[str], Callable[[Places], str]], ...] = (
    (re.compile(r"No space left on device|database or disk is full"), _describe_disk),
    (re.compile(r"Disk quota exceeded"), _describe_quota),
    (
        re.compile(r"Read-only file system|attempt to write a readonly database"),
        lambda _: _describe_read_only(),
    ),
    (re.compile(r"File too large"), lambda _: _describe_file_size()),
    (re.compile(r"disk I/O error"), lambda _: _describe_disk_error()),
    (re.compile(r"Too many open files"), lambda _: _describe_files()),
    (
        re.compile(
            r"can't start new thread|pthread_create|Resource temporarily unavailable|"
            r"Thread .* creation .*failed"
        ),
        lambda _: _describe_threads(),
    ),
    (
        re.compile(
            r"\bMemoryError\b|Cannot allocate memory|bad_alloc|OOM when allocating|"
            r"Unable to allocate|failed to map segment|Failed to allocate memory"
        ),
        lambda _: _describe_memory(),
    ),
)
"""As the C library, SQLite, Python, NumPy, TensorFlow and Beam put it."""


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.0f} MB"


def _limit(kind: int) -> str:
    soft = resource.getrlimit(kind)[0]
    return "unlimited" if soft == resource.RLIM_INFINITY else f"{soft:,}"


def _read(file: str) -> str:
    with suppress(OSError):
        return Path(file).read_text()
    return ""
