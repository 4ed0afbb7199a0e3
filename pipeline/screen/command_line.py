"""What commands have in common: their answers, the progress of a download, how they end."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

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
from pipeline.causes import find_shortage
from pipeline.errors import ExitCode, LostProcessError, UserError
from pipeline.runs.run_result import dump_json
from trainer_module import keras_settings

# Of lines in a file, which nobody wants broken; a screen has a width of its own.
_FILE_WIDTH = 240

_NARROWEST = 20
"""Characters: what is said to have less, as a `COLUMNS` left over, is not a screen."""

# The second is Python's where the locale is C; who asked for another one gets it.
_UNASKED = ("strict", "surrogateescape")


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


class _LastingOutput(io.FileIO):
    """A descriptor that takes what it can't write, and knows why it was not written.

    Attributes:
        lost: the first error; None while there was none.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes a descriptor, which stays open."""
        super().__init__(descriptor, "w", closefd=False)
        self.lost: OSError | None = None

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - its type has a name since Python 3.12.
        """Writes, until that fails."""
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


def open_standard_streams() -> None:
    """Makes of standard input, output and error what no command ends for.

    What is closed of them is opened on the null device: a daemon may be started without them, and
    whatever is opened next, such as a pipe to a process, would take their numbers, and lose what
    others write there. What can't be written is dropped, as where nobody reads it to the end. What
    can't be shown, as a path of other bytes, is escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        stream = getattr(sys, name)
        if stream is None:
            stream = os.fdopen(number, "w" if number else "r", closefd=False)
        setattr(sys, name, _make_lasting(stream, number) if number else stream)


def _make_lasting(stream: TextIO, number: int) -> TextIO:
    # What takes its place in a test or a notebook has another descriptor, or none.
    with suppress(io.UnsupportedOperation):
        if isinstance(stream, io.TextIOWrapper) and stream.fileno() == number:
            stream.flush()
            return io.TextIOWrapper(
                io.BufferedWriter(_LastingOutput(number)),
                encoding=stream.encoding,
                errors="backslashreplace" if stream.errors in _UNASKED else stream.errors,
                line_buffering=stream.line_buffering,
            )
    return stream


def _forget_useless_width() -> None:
    """Leaves aside a width that shows nothing, as the 0 of a terminal that has none yet."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) < _NARROWEST:
        del os.environ["COLUMNS"]


def _find_loss() -> OSError | None:
    """What kept standard output from being written, but for a reader who had enough, as `head`."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    lost = raw.lost if isinstance(raw, _LastingOutput) else None
    return None if isinstance(lost, BrokenPipeError) else lost


def take_as_interrupts(*numbers: signal.Signals) -> None:
    """A service manager's stop and a closed terminal, unless they are ignored, as by nohup."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Takes as Ctrl-C what `take_as_interrupts` does, for a while.

    Yields:
        What ends that: from then on, neither they nor Ctrl-C break anything off.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    try:
        take_as_interrupts(signal.SIGTERM, signal.SIGHUP)
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_with(command: Callable[[], int]) -> NoReturn:
    """Runs a command and exits with its code; what a person can mend becomes a line on stderr."""
    interrupt.raise_again()
    open_standard_streams()
    _forget_useless_width()
    # Before the command imports TensorFlow, and with it Keras, which may not like its settings.
    os.environ.update(keras_settings.ENVIRONMENT)
    quiet.silence_tensorflow()
    code: int | str | None
    try:
        code = command()
    except SystemExit as ended:
        # As of --help, and of wrong flags.
        code = ended.code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = ExitCode.USAGE
    except LostProcessError as error:
        print(f"error: {error}", file=sys.stderr)
        code = ExitCode.FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    except (OSError, RuntimeError, MemoryError) as error:
        shortage = _find_shortage(error)
        if shortage is None:
            raise
        print(f"error: {shortage[0].upper()}{shortage[1:]}.", file=sys.stderr)
        code = ExitCode.FAILED
    lost = _find_loss()
    if lost:
        print(f"error: The output can't be written: {lost.strerror}.", file=sys.stderr)
        code = code or ExitCode.FAILED
    sys.exit(code)


def _find_shortage(error: Exception) -> str | None:
    file = getattr(error, "filename", None)
    return find_shortage(error, [Path(os.fsdecode(file)).parent] if file else [])
