"""How a command ends: its exit codes, and the error that a person can mend."""

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of the commands."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_BLESSED = 3
    INTERRUPTED = 130


class UserError(Exception):
    """Wrong use, configuration or data: one sentence that says what, where and what to do.

    Commands print it without a traceback and exit with `ExitCode.USAGE`.
    """
