"""What commands have in common: their answers, the progress of a download, how they end."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from components import quiet
from pipeline import interrupt
from pipeline.errors import ExitCode, UserError
from pipeline.runs.run_result import dump_json
from trainer_module import keras_settings

# Of lines in a file, which nobody wants broken; a screen has a width of its own.
_FILE_WIDTH = 240

_NARROWEST = 20
"""Characters: what is said to have less, as a `COLUMNS` left over, is not a screen."""


@dataclass(frozen=True)
class Answer:
    """What a command has to tell.

    Attributes:
        document: for `--json`; a person was told while it was found out.
        code: how the command ends.
    """

    document: dict[str, Any]
    code: ExitCode = ExitCode.OK


def answer(command: Callable[[Console], Answer], *, as_json: bool) -> int:
    """Runs a command for a person, or for a program that reads one object.

    Args:
        command: takes the screen, which shows nothing to a program.
        as_json: whether it is for a program.

    Returns:
        The exit code.
    """
    found = command(make_console(quiet=as_json))
    if as_json:
        print(dump_json(found.document))
    return found.code


def make_console(*, quiet: bool = False) -> Console:
    """Standard output; lines in a file or a pipe are as long as they need to be."""
    lines = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_FILE_WIDTH if lines else None, emoji=False, quiet=quiet)


@contextmanager
def download_progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Shows a bar for each file that is downloaded; yields what `sources.find` calls."""
    bars = Progress(
        TextColumn("downloading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}

    def update(name: str, received: int, total: int) -> None:
        if name not in tasks:
            # Not before: without a bar it would leave an empty line on the screen.
            bars.start()
            tasks[name] = bars.add_task(name, total=None)
        bars.update(tasks[name], completed=received, total=total or None)

    try:
        yield update
    finally:
        if tasks:  # Otherwise it never started, and stopping it would print an empty line.
            bars.stop()


def open_standard_streams() -> None:
    """Opens on the null device what is closed of standard input, output and error.

    A daemon may be started without them. Whatever is opened next, such as a pipe to a process,
    would take their numbers, and lose what others write there. What standard output can't show, as
    a path of other bytes, is escaped, as it is on standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # What takes its place in a test or a notebook has no such handler. The second is Python's
    # where the locale is C; who asked for another one gets it.
    unasked = ("strict", "surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in unasked:
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_useless_width() -> None:
    """Leaves aside a width that shows nothing, as the 0 of a terminal that has none yet."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) < _NARROWEST:
        del os.environ["COLUMNS"]


def let_go(stream: IO[str]) -> None:
    """Sends to the null device what else is written: who read it has enough, as `head`.

    Else Python would try once more as it exits.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def take_as_interrupts(*numbers: signal.Signals) -> None:
    """A service manager's stop and a closed terminal, unless they are ignored, as by nohup."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def exit_with(command: Callable[[], int]) -> NoReturn:
    """Runs a command and exits with its code; a `UserError` becomes a line on stderr."""
    interrupt.raise_again()
    open_standard_streams()
    _forget_useless_width()
    # Before the command imports TensorFlow, and with it Keras, which may not like its settings.
    os.environ.update(keras_settings.ENVIRONMENT)
    quiet.silence_tensorflow()
    try:
        code = command()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        let_go(sys.stdout)
        code = ExitCode.OK
    except OSError as error:
        # Of a file it has the name; of the output, as on a full disk, it has none.
        if error.filename is not None:
            raise
        let_go(sys.stdout)
        print(f"error: The output can't be written: {error.strerror}.", file=sys.stderr)
        code = ExitCode.FAILED
    sys.exit(code)
