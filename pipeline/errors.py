"""How a command ends: its exit codes, and the errors that are a sentence for a person."""

import enum
import re
from pathlib import Path

# But for the end of a line, which sentences of several lines have.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


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

    Commands print it without a traceback and exit with `ExitCode.USAGE`. As text, it has no
    characters that would do something to a terminal: names of files may hold any.
    """

    def __str__(self) -> str:
        """The sentence, with control characters and bytes that are no UTF-8 written out."""
        return make_visible(super().__str__())


class LostProcessError(Exception):
    """A process died that did a part of the work: one sentence that says how, and what to do.

    Commands print it without a traceback and exit with `ExitCode.FAILED`.
    """


def make_visible(text: str) -> str:
    r"""Writes out what a terminal would obey, and what is not UTF-8, as `\x1b` and the like."""
    text = text.encode(errors="backslashreplace").decode()
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def unreadable(directory: Path, error: OSError) -> UserError:
    """Makes the error for a data directory in which something can't be read."""
    return UserError(
        f"{error.filename or directory} can't be read: {error.strerror or error}; mend its "
        "permissions, or name another directory with --data-dir."
    )
