"""How a command ends: its exit codes, and the error that a person can mend."""

import enum
from pathlib import Path


class ExitCode(enum.IntEnum):
    """Exit codes of the commands."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_BLESSED = 3
    DATA_REFUSED = 4
    INTERRUPTED = 130


class UserError(Exception):
    """Wrong use, configuration or data: one sentence that says what, where and what to do.

    Commands print it without a traceback and exit with `ExitCode.USAGE`.
    """


def unreadable(directory: Path, error: OSError) -> UserError:
    """Makes the error for a data directory in which something can't be read."""
    return UserError(
        f"{error.filename or directory} can't be read: {error.strerror or error}; mend its "
        "permissions, or name another directory with --data-dir."
    )
